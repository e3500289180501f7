"""``titans overview``."""

from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, command
from titans_cli.output import print_overview
from titans_cli.session import Session
from titans_cli.settings import home_folder


@command("titans overview", "titans overview --topics 20")
def overview(
    themes: Annotated[
        int | None,
        typer.Option("--topics", "--themes", min=1, max=200, help="Number of topics. Default: depends on the size of the memory."),
    ] = None,
    device: Device = None,
    home: Home = None,
) -> None:
    """Show the main topics of the memory, each with a recited sentence, its words and its documents."""
    from titans_cli.services.topics import overview as run

    print_overview(run(Session(home_folder(home), device), themes))
