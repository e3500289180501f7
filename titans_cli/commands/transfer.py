from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Home

Sources = Annotated[list[Path], typer.Argument(help="Files that titans export has written.")]
MaxSize = Annotated[float, typer.Option("--max-size", min=0, help="Gigabytes that a file may have.")]


def export(
    target: Annotated[Path, typer.Argument(help="File to write, by custom NAME.titans")],
    snapshot: Annotated[str | None, typer.Option("--snapshot", help="Another snapshot than the present one.")] = None,
    home: Home = None,
) -> None:
    """Write the memory to one file, to be imported on another machine."""
    from titans_cli.render import megabytes, print_note
    from titans_cli.settings import home_folder
    from titans_cli.usecases.snapshots import export_to

    made, size = export_to(home_folder(home), target, snapshot)
    print_note(f"Exported {made.name}, {made.digest[:12]}, {megabytes(size)}.")


def import_(sources: Sources, max_size: MaxSize = 64, home: Home = None) -> None:
    """Verify exports and add their memories to the store; the order makes no difference.

    What was memorized before is kept as a snapshot.

    titans import laptop.titans desktop.titans
    """
    from titans_cli.models import Models
    from titans_cli.render import print_note
    from titans_cli.settings import home_folder
    from titans_cli.usecases.snapshots import import_from

    head = import_from(home_folder(home), sources, Models().shape, int(max_size * 1e9))
    print_note(f"Imported. Answering from {head.name} now, {head.digest[:12]}.")


def merge(
    sources: Sources,
    into: Annotated[Path, typer.Option("--into", help="File to write, by custom NAME.titans")],
    max_size: MaxSize = 64,
) -> None:
    """Make one export of several, without touching the store; the order makes no difference.

    titans merge laptop.titans desktop.titans --into all.titans
    """
    from titans_cli.models import Models
    from titans_cli.render import megabytes, print_note
    from titans_cli.usecases.snapshots import merge_into

    merged, size = merge_into(sources, into, Models().shape, int(max_size * 1e9))
    print_note(f"Merged into {into}, {merged.digest[:12]}, {megabytes(size)}.")
