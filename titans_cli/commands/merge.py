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
    sources: Annotated[list[Path], typer.Argument(readable=False, help="Files that titans export has written.")],
    into: Annotated[Path, typer.Option("--into", help="File to write, by custom NAME.titans")],
    max_size: Annotated[float, typer.Option("--max-size", min=0, help="Gigabytes that a file may have.")] = 64,
) -> None:
    """Make one export of several, without touching the store; the order makes no difference."""
    print_merged(*merge_into(sources, into, Models().shape, int(max_size * 1e9)), into)
