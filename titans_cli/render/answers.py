"""Answers, evidence and recitations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from titans_cli.render import facts
from titans_cli.render.terminal import contract, out, plain, print_note, where

if TYPE_CHECKING:
    from titans_cli.usecases.ask import Answer, Evidence
    from titans_cli.usecases.continue_text import Continuation


@contract(facts.of_answer)
def print_answer(answer: Answer) -> None:
    if answer.answer is None:
        out.print(Text("Not in memory.", style="yellow"))
        return
    out.print(Text(plain(answer.answer), style="bold green"), Text(f"  ({answer.confidence:.0%} sure)", style="dim"))
    for evidence in answer.evidence:
        print_evidence(evidence)


def print_evidence(evidence: Evidence) -> None:
    out.print(Text(f"  {where(evidence.document, evidence.page)}", style="cyan"), end="")
    out.print(Text("  recited word for word" if evidence.verbatim else "  recited inexactly", style="dim"))
    out.print(Text(f"  “{' '.join(plain(evidence.text).split())}”", style="italic"))


@contract(facts.of_continuation)
def print_continuation(continuation: Continuation) -> None:
    out.print(Text(plain(continuation.text)), soft_wrap=True)
    kind = "recited word for word" if continuation.verbatim else "recited inexactly"
    print_note(f"{where(continuation.document, continuation.page)}  {kind}")
