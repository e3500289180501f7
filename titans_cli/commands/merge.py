"""``titans merge``."""

from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import command
from titans_cli.models import Models
from titans_cli.output import print_merged
from titans_cli.services.transfer import merge_into


@command("titans merge laptop.titans desktop.titans --into all.titans")
def merge(
    sources: Annotated[list[Path], typer.Argument(readable=False, help="Files written by titans export.")],
    into: Annotated[Path, typer.Option("--into", help="File to write, usually NAME.titans")],
    max_size: Annotated[float, typer.Option("--max-size", min=0, help="Size limit of a file, in gigabytes.")] = 64,
) -> None:
    """Merge several exports into one, in any order, without touching the store."""
    print_merged(*merge_into(sources, into, Models().shape, int(max_size * 1e9)), into)
