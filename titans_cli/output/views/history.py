"""Questions that were asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.terminal import contract, err, local, print_note, say, show, where, words

if TYPE_CHECKING:
    from titans_cli.services.ask.answer import Answer
    from titans_cli.services.history import Listed
    from titans_cli.services.ingest.remember import Remembered


@contract(json_output.of_history)
def print_history(listed: Listed) -> None:
    conversation = None
    for turn in listed.turns:
        if turn.conversation != conversation and turn.conversation:
            show(Text(f"── {words(turn.conversation)}", style="dim"))
        conversation = turn.conversation
        show(Text.assemble((local(turn.asked), "dim"), " ", (words(turn.question), "bold")))
        if turn.understood != turn.question:
            show(Text(f"understood as: {words(turn.understood)}", style="dim"), 2)
        show(Text("Not in memory.", style="yellow") if turn.answer is None else Text(words(turn.answer), style="green"), 2)
        for _, name, page in turn.sources:
            show(Text(where(name, page), style="cyan"), 2)
    if not listed.turns:
        print_note("Nothing was asked that is like that.")
    if not listed.kept:
        print_note("Questions are not kept: titans history --on")


@contract(json_output.of_remembered)
def print_remembered(result: Remembered) -> None:
    print_note(f"Memorized as {result.document.name}; titans forget {result.document.name!r} takes it out again.")


def print_turn(answer: Answer) -> None:
    """A question and its answer, in short."""
    show(Text(words(answer.question), style="bold"))
    show(Text("Not in memory." if answer.answer is None else words(answer.answer), style="dim"), indent=2)


def print_help(commands: Iterable[tuple[str, str]]) -> None:
    """What can be typed in a chat: commands with what they do."""
    say("Type a question and press Enter. It may speak of what was said before: When was it founded?")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for usage, help in commands:
        table.add_row(Text(usage), Text(help))
    err.print(table)
    say("Tab completes, Alt-Enter begins a new line, Ctrl-C stops an answer, the arrow keys bring back earlier questions.")


def transcript(answers: Iterable[Answer]) -> str:
    """A conversation as Markdown."""
    parts = []
    for answer in answers:
        parts.append(f"## {words(answer.question)}\n\n{'Not in memory.' if answer.answer is None else words(answer.answer)}\n")
        parts += [f"> {words(piece.text)}\n>\n> {where(piece.document, piece.page)}\n" for piece in answer.evidence]
    return "\n".join(parts)
