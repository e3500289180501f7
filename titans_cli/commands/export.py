"""``titans export``."""

from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.completion import complete_snapshots
from titans_cli.commands.options import Home, command
from titans_cli.output import print_exported
from titans_cli.services.transfer import export_to
from titans_cli.settings import home_folder


@command("titans export memory.titans", "titans export old.titans --snapshot before-the-move")
def export(
    target: Annotated[Path, typer.Argument(help="File to write, usually NAME.titans")],
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", help="Snapshot to export. Default: the current one.", autocompletion=complete_snapshots)
    ] = None,
    home: Home = None,
) -> None:
    """Export the memory to one file, for import on another machine."""
    print_exported(*export_to(home_folder(home), target, snapshot), target)
