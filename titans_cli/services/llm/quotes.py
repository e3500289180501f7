"""Recitations as numbered quotes, for a language model to cite. Loads no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from titans_cli.services.ask.results import Answer
from titans_cli.store import StoredDocument

if TYPE_CHECKING:
    from titans_cli.services.ask.retrieve import Recitation

__all__ = ["Quote", "gather_quotes"]

WHOLE = 6_000
"""Most characters of quotes for a model: about 1,500 tokens, which fit into the small context of a local server."""
PIECE = 900
"""Most characters of one quote."""
QUOTES = 10
"""Most quotes."""


@dataclass(frozen=True)
class Quote:
    """A quote from memory that a model receives and may cite."""

    number: int  # from 1
    text: str
    document: str
    page: int | None  # on which it begins
    verbatim: bool
    evidence: bool  # holds what the answer from memory rests on, or a passage close to the question
    source: StoredDocument | None = None


@dataclass(frozen=True)
class Piece:
    """Sentences of one recitation that lie on one page."""

    text: str
    source: StoredDocument | None
    document: str
    page: int | None
    verbatim: bool
    score: float
    centre: int  # character of the sentence that fits the question best


def gather_quotes(answer: Answer) -> tuple[Quote, ...]:
    """The evidence of ``answer``, each with what is recited around it, and the next best recitations: at most ``WHOLE`` characters.

    The closest passages stand for the evidence of a refusal; none where there are none.
    """
    rests_on = answer.evidence or answer.closest
    if answer.retrieval is None or not rests_on:
        return ()
    retrieval = answer.retrieval
    pieces = [p for run in retrieval.runs for p in pieces_of(run, [fit for _, fit in retrieval.fits_of(run)])]
    chosen: list[tuple[Piece, bool]] = []
    for shown in rests_on:
        text = shown.text.strip("… ")
        known = next((p for p in pieces if p.source == shown.source and text in p.text), None)
        if known is None:  # it goes over a page's end
            chosen.append((Piece(shown.text, shown.source, shown.document, shown.page, shown.verbatim, shown.score, 0), True))
            continue
        pieces.remove(known)
        centre = known.text.index(text) + min(len(text), PIECE) // 2
        chosen.append((replace(known, centre=centre), True))
    chosen += [(piece, False) for piece in sorted(pieces, key=lambda piece: -piece.score)]
    quotes: list[Quote] = []
    room = WHOLE
    for piece, evidence in chosen[:QUOTES]:
        text = around(piece.text, piece.centre, min(PIECE, room))
        if not text:
            break
        room -= len(text)
        quotes.append(Quote(len(quotes) + 1, text, piece.document, piece.page, piece.verbatim, evidence, piece.source))
    return tuple(quotes)


def pieces_of(run: "Recitation", fits: Sequence[float]) -> list[Piece]:
    """The parts of a recitation, each on one page; ``fits`` belongs to its sentences."""
    groups: list[list[int]] = []
    for i, sentence in enumerate(run.sentences):
        if groups and run.pages[run.sentences[groups[-1][0]].memory] == run.pages[sentence.memory]:
            groups[-1].append(i)
        else:
            groups.append([i])
    pieces = []
    for group in groups:
        inside = [run.sentences[i] for i in group]
        start, end = inside[0].start, inside[-1].end
        best = max(range(len(group)), key=lambda j: fits[group[j]])
        centre = (inside[best].start + inside[best].end) // 2 - start
        page, verbatim = run.pages[inside[0].memory], all(run.verbatim[s.memory] for s in inside)
        pieces.append(Piece(run.text[start:end], run.source, run.document, page, verbatim, run.score + fits[group[best]], centre))
    return pieces


def around(text: str, centre: int, size: int) -> str:
    """At most ``size`` characters of ``text`` around ``centre``, cut between words."""
    if len(text) > size:
        start = max(0, min(centre - size // 2, len(text) - size))
        end = start + size
        cut = text[start:end]
        if start:
            cut = cut.partition(" ")[2]
        if end < len(text):
            cut = cut.rpartition(" ")[0]
        text = cut
    return text.strip()
