"""``titans history``."""

from typing import Annotated

import typer

from titans_cli.commands.options import Home, command
from titans_cli.output import counted, print_history, say
from titans_cli.services import history as use
from titans_cli.settings import home_folder


@command(
    "titans history",
    "titans history grapes --limit 5",
    "titans history --conversation trip",
    "titans history --off",
    "titans history --clear",
)
def history(
    words: Annotated[list[str] | None, typer.Argument(help="Only what holds all these words, in question, answer or source.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many of the last to show; 0 for all.")] = 20,
    conversation: Annotated[str | None, typer.Option("--conversation", help="Only what was said in it.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Delete all of it.")] = False,
    keep: Annotated[bool | None, typer.Option("--on/--off", help="Whether questions are kept from now on.")] = None,
    home: Home = None,
) -> None:
    """Look through the questions that were asked and the answers given.

    They are kept on this machine alone, in history.db beside the memory, and are no part of it.
    """
    folder = home_folder(home)
    if clear:
        say(f"{counted(use.clear(folder), 'question')} deleted.")
    if keep is not None:
        use.switch(folder, keep)
        say("Questions are kept from now on." if keep else "Questions are not kept any more; what is there stays: --clear deletes it.")
    if not clear and keep is None:
        print_history(use.look(folder, words or (), limit or None, conversation))
