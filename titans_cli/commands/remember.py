"""``titans remember``."""

import sys
from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, command
from titans_cli.models import Models
from titans_cli.output import print_remembered, working
from titans_cli.settings import home_folder


@command('titans remember "The spare key is under the third flowerpot."', "pbpaste | titans remember -")
def remember(
    text: Annotated[str, typer.Argument(help="The note, or - to read standard input.")],
    device: Device = None,
    home: Home = None,
) -> None:
    """Save a short note, filed under the current date and time. Delete it with titans forget."""
    from titans_cli.services.ingest.remember import remember as run

    told = sys.stdin.read() if text == "-" else text
    with working("Memorizing"):
        result = run(home_folder(home), Models(device=device), told)
    print_remembered(result)
