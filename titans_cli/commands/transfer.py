from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Home


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


def import_(source: Annotated[Path, typer.Argument(help="File that titans export has written.")], home: Home = None) -> None:
    """Verify an export and add its memories to the store."""
    from titans_cli.models import Models
    from titans_cli.render import print_note
    from titans_cli.settings import home_folder
    from titans_cli.usecases.snapshots import import_from

    head = import_from(home_folder(home), source, Models().fingerprint)
    print_note(f"Imported. Answering from {head.name} now, {head.digest[:12]}.")
