"""Answers, the evidence under them, and what was retrieved for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.sanitize import plain, words
from titans_cli.output.terminal import bar, contract, link, mode, out, print_note, shortened, show, where
from titans_cli.services.ask.results import OTHERS

if TYPE_CHECKING:
    from titans_cli.services.ask.results import Answer, Evidence, RetrievedSentence
    from titans_cli.services.llm.quotes import Quote
    from titans_cli.services.recite import Continuation

SURE = ((0.9, "almost certain"), (0.7, "likely right"), (0.5, "rather right than wrong"), (0.0, "a guess"))
"""What confidences from there on are called. They are calibrated: of ten answers that are 0.7 sure, about seven are right."""
CYAN = Style(color="cyan")
SHOWN = 160
"""Characters of a retrieved sentence that --why shows."""
RETRIEVED = 12
"""Sentences that --why shows; all with --verbose."""


def sureness(confidence: float) -> str:
    """A confidence in words."""
    tenths = min(9, max(1, int(10 * confidence + 0.5)))
    called = next(name for least, name in SURE if tenths >= 10 * least)
    return f"{called}: about {tenths} in 10 such answers are right"


@contract(json_output.of_answer)
def print_answer(answer: Answer, why: bool = False) -> None:
    """The answer, its confidence and its evidence, or the closest passages. With --quiet the answer alone, nothing for a refusal."""
    if mode.quiet:
        for line in () if answer.answer is None else answer.answer.split("\n"):
            out.print(Text(words(line)), soft_wrap=True)
    elif answer.answer is None:
        show(Text(answer.headline, style="bold yellow"))
        print_evidence(answer.closest)
    else:
        for line in answer.answer.split("\n"):
            show(Text(words(line), style="bold green"))
        show(Text(sureness(answer.confidence), style="dim"))
        print_evidence(answer.evidence)
        if answer.closest:
            out.print()
            show(Text(OTHERS, style="dim"))
            print_evidence(answer.closest)
    if why:
        print_why(answer)
    if mode.verbose:
        print_note(f"{len(answer.retrieved)} sentences retrieved, {answer.elapsed_ms / 1000:.1f} s")


def print_evidence(evidence: Iterable[Evidence]) -> None:
    """Each piece with document, page and whether it is verbatim; the answer in it is marked."""
    pieces = list(evidence)
    for number, piece in enumerate(pieces, 1):
        out.print()
        show(Text(f"{number}  " if len(pieces) > 1 else "") + source_line(piece))
        show(evidence_text(piece), indent=2)


def source_line(piece: Evidence | Continuation | Quote) -> Text:
    """Document and page, linked to the file if the terminal can, and whether it is verbatim."""
    line = Text()
    path = piece.source.path if piece.source is not None and not piece.source.imported else ""
    line.append(where(piece.document, piece.page), style=link(path, piece.page) + CYAN)
    line.append(f" · {remembered(piece.verbatim)}", style="dim" if piece.verbatim else "yellow")
    if piece.source is not None and piece.source.imported:
        line.append(" · imported memory", style="magenta")
    return line


def remembered(verbatim: bool) -> str:
    return "recited word for word" if verbatim else "from vague memory"


def evidence_text(piece: Evidence) -> Text:
    """The recited sentences with the answer marked, and their context."""
    shown = Text("“", style="italic")
    at = 0
    marked = out.color_system is not None  # styles are shown
    for start, end in piece.spans:
        shown.append(one_line(piece.text[at:start]))
        answer = one_line(piece.text[start:end])
        shown.append(answer if marked else f"**{answer}**", style="bold underline")
        at = end
    shown.append(one_line(piece.text[at:]) + "”")
    if piece.context is None:
        return shown
    before, after = words(piece.context.before), words(piece.context.after)
    vague = "" if piece.context.verbatim else " (around it: from vague memory)"
    dim = "dim"
    return Text.assemble((f"… {before} " if before else "", dim), shown, (f" {after} …" if after else "", dim), (vague, "yellow"))


def one_line(text: str) -> str:
    """``words`` that keeps a blank at either end."""
    safe = plain(text)
    inner = " ".join(safe.split())
    before = " " if safe[:1].isspace() else ""
    return before + inner + (" " if inner and safe[-1:].isspace() else "")


def print_why(answer: Answer) -> None:
    """Which sentences were retrieved, how strongly they fit, and what the confidence was computed from."""
    out.print()
    out.print(Text("What was retrieved", style="bold"))
    shown = answer.retrieved if mode.verbose else answer.retrieved[:RETRIEVED]
    most = max((sentence.strength for sentence in shown), default=1.0)
    for sentence in shown:
        strength, style = bar(sentence.strength / most, 6), "bold" if sentence.used else ""
        line = Text(f"{'▸' if sentence.used else ' '} {strength} {sentence.strength:.2f}  ", style=style)
        show(line.append(sentence_notes(sentence), style="cyan"))
        text = words(sentence.text) if mode.verbose else shortened(sentence.text, SHOWN)
        show(Text(text, style="" if sentence.used else "dim"), indent=2)
    if len(shown) < len(answer.retrieved):
        out.print(Text(f"… and {len(answer.retrieved) - len(shown)} more: --verbose", style="dim"))
    show(Text("▸ the answer was read here. Strength: likeness of meaning, and share of the question's words.", style="dim"))
    if answer.features is not None:
        features, sure = answer.features, 1 - answer.confidence if answer.refused else answer.confidence
        reading = f"Reading: {features.score:+.1f} above no answer, {features.lead:+.1f} above the next one"
        retrieval = f"retrieval: best fit {features.fit:.2f}, the answer's {features.here:.2f}"
        show(Text(f"{reading}; {retrieval}: {sure:.0%} sure of it.", style="dim"))


def sentence_notes(sentence: RetrievedSentence) -> str:
    """Document and page of a retrieved sentence, and remarks."""
    notes = [where(sentence.document, sentence.page)]
    notes += ["retrieved because it is like those that fit"] if sentence.associated else []
    notes += [] if sentence.verbatim else [remembered(False)]
    return " · ".join(notes)
