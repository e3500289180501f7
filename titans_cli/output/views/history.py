"""Shows earlier questions and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.sanitize import words
from titans_cli.output.terminal import contract, local, print_note, show, where

if TYPE_CHECKING:
    from titans_cli.services.history import Listed


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
        show(
            Text("Not answered.", style="yellow")
            if turn.answer is None
            else Text(words(", ".join(turn.answer.split("\n"))), style="green"),
            2,
        )
        for _, name, page in turn.sources:
            show(Text(where(name, page), style="cyan"), 2)
    if not listed.turns:
        print_note("No matching questions.")
    if not listed.kept:
        print_note("History is off. Turn it on: titans history --on")
