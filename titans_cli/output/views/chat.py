"""Shows the chat's commands and earlier turns, and writes a conversation as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from titans_cli.output.sanitize import words
from titans_cli.output.terminal import err, say, show, where

if TYPE_CHECKING:
    from titans_cli.services.ask.results import Answer


def print_turn(answer: Answer) -> None:
    """A short form of a question and its answer."""
    show(Text(words(answer.question), style="bold"))
    show(Text(words(answer.headline), style="dim"), indent=2)


def print_help(commands: Iterable[tuple[str, str]]) -> None:
    """The chat's commands and what they do."""
    say("Type a question and press Enter. Follow-up questions work too: When was it founded?")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for usage, help in commands:
        table.add_row(Text(usage), Text(help))
    err.print(table)
    say("Tab completes, Alt-Enter starts a new line, Ctrl-C stops an answer, the arrow keys recall earlier questions.")


def transcript(answers: Iterable[Answer]) -> str:
    """A conversation as Markdown."""
    parts = []
    for answer in answers:
        parts.append(f"## {words(answer.question)}\n\n{words(answer.headline)}\n")
        parts += [f"> {words(piece.text)}\n>\n> {where(piece.document, piece.page)}\n" for piece in answer.evidence or answer.closest]
    return "\n".join(parts)
