from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Home, command

Sources = Annotated[list[Path], typer.Argument(help="Files that titans export has written.")]
MaxSize = Annotated[float, typer.Option("--max-size", min=0, help="Gigabytes that a file may have.")]


@command("titans export memory.titans", "titans export old.titans --snapshot before-the-move")
def export(
    target: Annotated[Path, typer.Argument(help="File to write, by custom NAME.titans")],
    snapshot: Annotated[str | None, typer.Option("--snapshot", help="Another snapshot than the present one.")] = None,
    home: Home = None,
) -> None:
    """Write the memory to one file, to be imported on another machine."""
    from titans_cli.output import print_exported
    from titans_cli.services.snapshots import export_to
    from titans_cli.settings import home_folder

    print_exported(*export_to(home_folder(home), target, snapshot), target)


@command("titans import laptop.titans desktop.titans")
def import_(sources: Sources, max_size: MaxSize = 64, home: Home = None) -> None:
    """Verify exports and add their memories to the store; the order makes no difference.

    What was memorized before is kept as a snapshot."""
    from titans_cli.models import Models
    from titans_cli.output import print_imported
    from titans_cli.services.snapshots import import_from
    from titans_cli.settings import home_folder

    print_imported(import_from(home_folder(home), sources, Models().shape, int(max_size * 1e9)))


@command("titans merge laptop.titans desktop.titans --into all.titans")
def merge(
    sources: Sources,
    into: Annotated[Path, typer.Option("--into", help="File to write, by custom NAME.titans")],
    max_size: MaxSize = 64,
) -> None:
    """Make one export of several, without touching the store; the order makes no difference."""
    from titans_cli.models import Models
    from titans_cli.output import print_merged
    from titans_cli.services.snapshots import merge_into

    print_merged(*merge_into(sources, into, Models().shape, int(max_size * 1e9)), into)
