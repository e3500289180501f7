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
    words: Annotated[list[str] | None, typer.Argument(help="Show only entries with all these words in question, answer or source.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Show only the last N entries; 0 for all.")] = 20,
    conversation: Annotated[str | None, typer.Option("--conversation", help="Show only this conversation.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Delete the whole history.")] = False,
    keep: Annotated[bool | None, typer.Option("--on/--off", help="Turn the history on or off.")] = None,
    home: Home = None,
) -> None:
    """Show earlier questions and their answers.

    The history stays on this machine, in history.db beside the memory, and is not part of the memory.
    """
    folder = home_folder(home)
    if clear:
        say(f"Deleted {counted(use.clear(folder), 'question')}.")
    if keep is not None:
        use.switch(folder, keep)
        say("History is on." if keep else "History is off. Earlier questions stay; delete them: titans history --clear")
    if not clear and keep is None:
        print_history(use.look(folder, words or (), limit or None, conversation))
