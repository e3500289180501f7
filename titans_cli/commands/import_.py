"""``titans import``."""

from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Home, command
from titans_cli.models import Models
from titans_cli.output import print_imported
from titans_cli.services.transfer import import_from
from titans_cli.settings import home_folder


@command("titans import laptop.titans desktop.titans")
def import_(
    sources: Annotated[list[Path], typer.Argument(readable=False, help="Files written by titans export.")],
    max_size: Annotated[float, typer.Option("--max-size", min=0, help="Size limit of a file, in gigabytes.")] = 64,
    home: Home = None,
) -> None:
    """Verify exports and add their memories to the store, in any order.

    The previous state is kept as a snapshot."""
    print_imported(import_from(home_folder(home), sources, Models().shape, int(max_size * 1e9)))
