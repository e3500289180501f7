"""From a question to recitations: find the sentences that fit, recite their memories, join consecutive ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from model import Hit, SentenceVectors, Surroundings, correct_spelling, encode_question, retrieve, score_sentences, score_similar
from titans_cli.encoding import well_formed
from titans_cli.models import Models
from titans_cli.services.recitation import Recited, recite_memories
from titans_cli.services.vectors import vectors_of
from titans_cli.store import MemoryIndex, Store, StoredDocument, open_index

__all__ = ["Recitation", "Retrieval", "Retriever", "Sentence"]

COUNT = 12
"""Memories that are retrieved for a question."""
NEIGHBOURS = 4
"""The best of them whose neighbours in the document are retrieved too: answers do not end where a memory does."""
BEHIND = 0.1
"""Score that a neighbour has less."""
SEEDS = 4
"""Best sentences for which others like them are retrieved: the facts that answer need not be like the question."""
ASSOCIATED = 48
"""Memories that are retrieved for them at most."""
ALIKE = 0.6
"""Cosine from which a sentence is like one of them."""
COPY = 0.9
"""Share of its sentences known from better recitations from which a recitation is skipped."""

DIVIDED = 32
"""Tokens that a part of a divided sentence has at least, unless it could not be written in one piece."""
ENDS = (".", "!", "?", "…", "。", "！", "？", "”", "’", '"', "'", ")", "]", "}", ">", ":")
"""Signs at the end of a sentence."""


@dataclass(frozen=True)
class Sentence:
    """One recited sentence, and where its text lies in its run."""

    start: int
    end: int
    memory: int


@dataclass(frozen=True)
class Recitation:
    """Consecutive memories of one document, recited: a run. ``start`` and ``end`` of sentences are characters of ``text``."""

    first: int  # number of its first memory
    place: int  # number of its first sentence among all in memory
    document: str
    source: StoredDocument
    text: str
    sentences: tuple[Sentence, ...]
    pages: dict[int, int | None]  # of each memory
    verbatim: dict[int, bool]
    score: float
    cut: tuple[bool, bool] = (False, False)  # whether its document goes on in the middle of a sentence, before it and after it

    def part(self, first: int, last: int) -> str:
        """The text of sentences ``first`` to ``last`` (numbers among all in memory); empty if it has none of them."""
        held = self.sentences[max(0, first - self.place) : max(0, last + 1 - self.place)]
        return self.text[held[0].start : held[-1].end] if held else ""


@dataclass(frozen=True)
class Retrieval:
    """What was retrieved for a question."""

    runs: tuple[Recitation, ...]  # around the sentences that fit, best first, without copies
    recitations: tuple[Recitation, ...]  # all, in the order of the stream
    hits: tuple[Hit, ...]  # sentences that fit, best first, and then those that are like them
    associated: frozenset[int]  # sentences that are like those that fit
    fits: np.ndarray  # how well each sentence in memory fits, float32 [s]

    def fits_of(self, run: Recitation) -> tuple[tuple[int, float], ...]:
        """The last character and the fit of each of the run's sentences."""
        return tuple((s.end, float(self.fits[run.place + i])) for i, s in enumerate(run.sentences))

    def run_of(self) -> Mapping[int, Recitation]:
        """The recitation that holds each memory."""
        return {memory: run for run in self.recitations for memory in run.pages}


EMPTY = Retrieval((), (), (), frozenset(), np.zeros(0, np.float32))


class Retriever:
    """Retrieves from the head of one store; opens its index once."""

    def __init__(self, home: Path, models: Models):
        self.models = models
        with Store.open(home) as store:
            self.snapshot = store.require_head(models.fingerprint)
            self.index: MemoryIndex = open_index(store, self.snapshot)
        names = [document.name for document in self.index.documents]
        self.surroundings = Surroundings.of(self.index.owners, self.index.starts, names)

    def retrieve(self, question: str, count: int = COUNT, neighbours: int = NEIGHBOURS, associated: int = ASSOCIATED) -> Retrieval:
        """The sentences of ``count`` memories that fit ``question`` best, and of at most ``associated`` that are like these."""
        gists, owners = vectors_of(self.index), self.index.owners
        if not len(gists):
            return EMPTY
        fits = self.score(well_formed(question), gists)
        found = retrieve(fits, gists, owners, count)
        scores: dict[int, float] = {}
        for hit in found:
            scores.setdefault(hit.memory, hit.score)
        for memory, score in list(scores.items())[:neighbours]:
            for near in (memory - 1, memory + 1):
                if self.same_document(memory, near):
                    scores.setdefault(near, score - BEHIND)
        further = self.associate(found, associated) if associated else []
        recitations = self.recite({hit.memory: hit.score for hit in reversed(further)} | scores)
        runs = sorted((run for run in recitations if scores.keys() & run.pages.keys()), key=lambda run: -run.score)
        kept = tuple(without_copies(runs))
        return Retrieval(kept, tuple(recitations), (*found, *further), frozenset(hit.sentence for hit in further), fits)

    def score(self, question: str, gists: SentenceVectors) -> np.ndarray:
        """How well each sentence in memory fits the question, typing errors or not: float32 [s]."""
        text = correct_spelling(question, gists)
        corrected = encode_question(self.models.encoder, text) if text != question else None
        return score_sentences(encode_question(self.models.encoder, question), gists, self.surroundings, corrected)

    def associate(self, found: Sequence[Hit], count: int) -> list[Hit]:
        """Sentences like the best of ``found``, of at most ``count`` memories; their scores never exceed the best one's."""
        gists = vectors_of(self.index)
        alike = score_similar([hit.sentence for hit in found[:SEEDS]], gists)
        known = {hit.sentence for hit in found}
        further = retrieve(alike, gists, self.index.owners, count, ALIKE)
        return [replace(hit, score=hit.score - 1 + found[0].score) for hit in further if hit.sentence not in known]

    def first_sentence(self, memory: int) -> int:
        """Number of a memory's first sentence among all in memory."""
        return int(np.searchsorted(self.index.owners, memory))

    def same_document(self, memory: int, other: int) -> bool:
        inside = 0 <= other < self.index.memories
        return inside and self.index.document_of(memory) == self.index.document_of(other)

    def recite(self, scores: Mapping[int, float]) -> list[Recitation]:
        """Recite memories and join consecutive ones; ``scores`` by memory. Raises DamagedError."""
        runs: list[list[Recited]] = []
        for recited in recite_memories(self.models, self.index, sorted(scores)):
            if runs and runs[-1][-1].memory == recited.memory - 1 and self.same_document(recited.memory - 1, recited.memory):
                runs[-1].append(recited)
            else:
                runs.append([recited])
        return [self.join(run, max(scores[recited.memory] for recited in run)) for run in runs]

    def join(self, run: Sequence[Recited], score: float) -> Recitation:
        """Consecutive memories of a document as one."""
        sentences, text = [], ""
        for recited in run:
            sentences += [Sentence(len(text) + start, len(text) + end, recited.memory) for start, end in recited.sentences]
            text += recited.text
        first = run[0].memory
        source = self.index.documents[self.index.document_of(first)]
        return Recitation(
            first=first,
            place=self.first_sentence(first),
            document=source.name,
            source=source,
            text=text,
            sentences=tuple(sentences),
            pages={recited.memory: recited.page for recited in run},
            verbatim={recited.memory: recited.verbatim for recited in run},
            score=score,
            cut=(self.begins_inside(run[0]), self.ends_inside(run[-1])),
        )

    def begins_inside(self, recited: Recited) -> bool:
        """Whether a memory seems to begin in the middle of a sentence: white space before a sentence would belong to it."""
        begin = recited.text[:1]
        return begin.isalnum() and (begin.islower() or recited.page is None) and self.same_document(recited.memory, recited.memory - 1)

    def ends_inside(self, recited: Recited) -> bool:
        """Whether a memory seems to end in the middle of a sentence: only one that is too long for a memory is divided."""
        long = len(recited.sentences) == 1 and len(recited.tokens) >= DIVIDED
        return long and not recited.text.rstrip().endswith(ENDS) and self.same_document(recited.memory, recited.memory + 1)


def without_copies(runs: Iterable[Recitation]) -> list[Recitation]:
    """Drop recitations that say little which better ones do not say."""
    kept: list[Recitation] = []
    known: set[str] = set()
    for run in runs:
        said = {" ".join(run.text[s.start : s.end].split()) for s in run.sentences}
        if len(said & known) < COPY * len(said):
            kept.append(run)
            known |= said
    return kept
