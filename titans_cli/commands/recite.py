"""``titans recite``."""

from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, command
from titans_cli.output import print_continuation, working
from titans_cli.services.recite import recite_on
from titans_cli.session import Session
from titans_cli.settings import home_folder


@command('titans recite "Four score and"')
def recite(
    words: Annotated[str, typer.Argument(help="Some words of a memorized document.")],
    device: Device = None,
    home: Home = None,
) -> None:
    """Recite from memory the text that follows these words."""
    with working("Reciting"):
        continuation = Session(home_folder(home), device).read(lambda assistant: recite_on(assistant.retriever, words))
    print_continuation(continuation)
