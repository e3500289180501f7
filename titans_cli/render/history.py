"""Questions that were asked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from titans_cli.render import facts
from titans_cli.render.terminal import contract, out, print_note, where, words

if TYPE_CHECKING:
    from titans_cli.usecases.history import Listed
    from titans_cli.usecases.remember import Remembered


@contract(facts.of_history)
def print_history(listed: Listed) -> None:
    conversation = None
    for turn in listed.turns:
        if turn.conversation != conversation and turn.conversation:
            out.print(Text(f"── {words(turn.conversation)}", style="dim"))
        conversation = turn.conversation
        out.print(Text(local(turn.asked), style="dim"), Text(words(turn.question), style="bold"))
        if turn.understood != turn.question:
            out.print(Text(f"  understood as: {words(turn.understood)}", style="dim"))
        told = Text("  Not in memory.", style="yellow") if turn.answer is None else Text(f"  {words(turn.answer)}", style="green")
        out.print(told)
        for _, name, page in turn.sources:
            out.print(Text(f"  {where(name, page)}", style="cyan"))
    if not listed.turns:
        print_note("Nothing was asked that is like that.")
    if not listed.kept:
        print_note("Questions are not kept: titans history --on")


def local(asked: str) -> str:
    """A time, UTC, by the clock of this place."""
    return f"{datetime.fromisoformat(asked).astimezone():%Y-%m-%d %H:%M}"


@contract(facts.of_remembered)
def print_remembered(result: Remembered) -> None:
    print_note(f"Memorized as {result.document.name}; titans forget {result.document.name!r} takes it out again.")
