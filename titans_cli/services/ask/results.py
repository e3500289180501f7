"""What asking returns: an answer, its evidence, and the sentences that were retrieved for it. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from titans_cli.store import StoredDocument

if TYPE_CHECKING:
    from model import CalibrationFeatures
    from titans_cli.services.ask.retrieve import Retrieval

__all__ = [
    "MIN_CONFIDENCE",
    "NOT_IN_MEMORY",
    "NOT_SURE",
    "OTHERS",
    "STRICT",
    "Answer",
    "Context",
    "Evidence",
    "Kind",
    "RetrievedSentence",
    "merge_evidence",
]

MIN_CONFIDENCE = 0.35
"""Confidence that an answer needs; about one right answer in twelve has less."""
STRICT = 0.5
"""The same when answers must be right more often than not; below, an answer is a guess."""

NOT_SURE = "Not sure. Closest passages:"
"""Stands in place of an answer where passages come close."""
NOT_IN_MEMORY = "Not in memory."
"""Stands in place of an answer where nothing is about the question."""
OTHERS = "Other passages that may answer:"
"""Stands between the evidence of a guess and the passages that come close."""

Kind = Literal["span", "sentence", "list", "yes_no"]
"""What an answer is: words of a sentence, a whole sentence, items one a line, or yes or no."""


@dataclass(frozen=True)
class Context:
    """The sentences before and after evidence in its document."""

    before: str
    after: str
    verbatim: bool


@dataclass(frozen=True)
class Evidence:
    """Recited text that an answer rests on."""

    text: str
    document: str
    page: int | None
    verbatim: bool  # the recitation's checksum is that of the text which was memorized
    score: float
    source: StoredDocument | None = None
    spans: tuple[tuple[int, int], ...] = ()  # characters of ``text`` that the answer is; none for yes and no
    sentences: tuple[int, int] = (0, -1)  # numbers of the first and the last among all in memory
    context: Context | None = None

    @property
    def imported(self) -> bool:
        """Whether it came with an imported export, not from a file that was memorized here."""
        return self.source is not None and bool(self.source.imported)


@dataclass(frozen=True)
class RetrievedSentence:
    """A sentence that was retrieved for a question."""

    text: str
    document: str
    page: int | None
    verbatim: bool
    strength: float  # cosine of the meaning and share of the question's words; or cosine with a sentence that fits it
    associated: bool  # retrieved for a sentence that fits the question, not for the question itself
    used: bool  # the answer was read from it


@dataclass(frozen=True)
class Answer:
    """``answer`` is None when the question is refused. ``confidence`` is then that of refusing."""

    question: str  # as it was understood
    answer: str | None
    confidence: float
    evidence: tuple[Evidence, ...]
    elapsed_ms: int
    features: CalibrationFeatures | None = None  # what the confidence was computed from
    retrieved: tuple[RetrievedSentence, ...] = ()  # best first
    kind: Kind | None = None  # None when refused
    closest: tuple[Evidence, ...] = ()  # passages that may answer, of a refusal or a guess; none if memory holds nothing about it
    retrieval: Retrieval | None = field(default=None, repr=False, compare=False)  # for the quotes that a language model gets

    @property
    def refused(self) -> bool:
        return self.answer is None

    @property
    def line(self) -> str | None:
        """The answer on one line: commas between the items of a list."""
        return None if self.answer is None else ", ".join(self.answer.split("\n"))

    @property
    def headline(self) -> str:
        """The answer on one line, or the words for a refusal."""
        return self.line or (NOT_SURE if self.closest else NOT_IN_MEMORY)


def merge_evidence(found: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Each piece of evidence once, with all answers in it marked."""
    kept: dict[Evidence, Evidence] = {}
    for evidence in found:
        key = replace(evidence, spans=(), score=0.0)
        known = kept.get(key, key)
        kept[key] = replace(evidence, spans=tuple(sorted({*known.spans, *evidence.spans})), score=max(known.score, evidence.score))
    return tuple(kept.values())
