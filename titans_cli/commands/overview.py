"""``titans overview``."""

from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, command
from titans_cli.output import print_overview
from titans_cli.session import Session
from titans_cli.settings import home_folder


@command("titans overview", "titans overview --themes 20")
def overview(
    themes: Annotated[int | None, typer.Option("--themes", min=1, max=200, help="How many; chosen by size when not given.")] = None,
    device: Device = None,
    home: Home = None,
) -> None:
    """Show what the memory is about: its themes, each with a recited sentence, its words and its documents."""
    from titans_cli.services.topics import overview as run

    print_overview(run(Session(home_folder(home), device), themes))
