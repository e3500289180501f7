"""Recited text: where it is from, what an answer rests on, what stands around it, and what a question woke."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from model import Reading
from titans_cli.store import StoredDocument

__all__ = ["Context", "Evidence", "Recitation", "Sentence", "Waking", "evidence_of", "joined"]


@dataclass(frozen=True)
class Sentence:
    """One recited sentence, and where its text lies in its run."""

    start: int
    end: int
    memory: int


@dataclass(frozen=True)
class Recitation:
    """Consecutive memories of one document, recited. ``start`` and ``end`` of sentences are characters of ``text``."""

    first: int  # number of its first memory
    place: int  # number of its first sentence among all in memory
    document: str
    source: StoredDocument
    text: str
    sentences: tuple[Sentence, ...]
    pages: dict[int, int | None]  # of each memory
    verbatim: dict[int, bool]
    score: float

    def part(self, first: int, last: int) -> str:
        """The text of its sentences from number ``first`` to ``last`` of all in memory; empty where there are none."""
        held = self.sentences[max(0, first - self.place) : max(0, last + 1 - self.place)]
        return self.text[held[0].start : held[-1].end] if held else ""


@dataclass(frozen=True)
class Context:
    """What stands around evidence in its document."""

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
        """Whether it came with an export that somebody made, and not from a file that was memorized here."""
        return self.source is not None and bool(self.source.imported)


@dataclass(frozen=True)
class Waking:
    """A sentence that a question woke."""

    text: str
    document: str
    page: int | None
    verbatim: bool
    strength: float  # how well it fits the question: cosine of the meaning and share of the words; or how like one that does
    associated: bool  # not by the question, but by a sentence that fits it
    used: bool  # the answer was read from it


def evidence_of(run: Recitation, reading: Reading) -> Evidence:
    """The sentences that hold the answer; for yes and no, the run's first memory."""
    if reading.kind is None:
        held = [i for i, s in enumerate(run.sentences) if s.start < reading.end and s.end > reading.start]
    else:
        held = [i for i, s in enumerate(run.sentences) if s.memory == run.first]
    parts = [run.sentences[i] for i in held]
    whole = run.text[parts[0].start : parts[-1].end]
    begin, text = parts[0].start + len(whole) - len(whole.lstrip()), whole.strip()
    spans = ((max(0, reading.start - begin), min(len(text), reading.end - begin)),) if reading.kind is None else ()
    verbatim = all(run.verbatim[s.memory] for s in parts)
    sentences = run.place + held[0], run.place + held[-1]
    return Evidence(text, run.document, run.pages[parts[0].memory], verbatim, round(run.score, 4), run.source, spans, sentences)


def joined(found: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Each piece of evidence once, with all answers in it marked."""
    kept: dict[Evidence, Evidence] = {}
    for evidence in found:
        key = replace(evidence, spans=(), score=0.0)
        known = kept.get(key, key)
        kept[key] = replace(evidence, spans=tuple(sorted({*known.spans, *evidence.spans})), score=max(known.score, evidence.score))
    return tuple(kept.values())
