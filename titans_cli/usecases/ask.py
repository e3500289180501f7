"""Answer from memory: wake, recite, check, read."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from model import YES, Passage, Reading, checksum, question_gist, read_answer, recite, sentence_texts, wake
from titans_cli.models import Models
from titans_cli.store import MemoryIndex, Store, Woken, open_index

__all__ = ["Answer", "Assistant", "Evidence", "Recitation", "answer_text"]

WAKE = 12
"""Memories that a question wakes."""
NEIGHBOURS = 4
"""Best ones of them whose neighbours in the document are woken too: answers do not end where a memory does."""
REFUSE_BELOW = 0.0
"""Logits above "nothing" that an answer needs."""


@dataclass(frozen=True)
class Evidence:
    """Recited text that an answer rests on."""

    text: str
    document: str
    page: int | None
    verbatim: bool  # the recitation's checksum is that of the text which was memorized
    score: float


@dataclass(frozen=True)
class Answer:
    """``answer`` is None when the question is refused: it is not in memory."""

    question: str
    answer: str | None
    refused: bool
    confidence: float
    evidence: tuple[Evidence, ...]
    elapsed_ms: int


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
    document: str
    text: str
    sentences: tuple[Sentence, ...]
    pages: dict[int, int | None]  # of each memory
    verbatim: dict[int, bool]
    score: float


class Assistant:
    """Answers questions from the head of one store; loads models and gists once."""

    def __init__(self, home: Path, models: Models):
        self.models = models
        with Store.open(home) as store:
            self.snapshot = store.require_head(models.fingerprint)
            self.index: MemoryIndex = open_index(store, self.snapshot)

    @cached_property
    def documents(self) -> list[str]:
        return [document.name for document in self.index.documents]

    def recall(self, question: str, count: int = WAKE, neighbours: int = NEIGHBOURS) -> list[Recitation]:
        """Wake the memories that fit ``question`` and recite them, joined where they follow each other; best first."""
        gist = question_gist(self.models.core, question)
        woken = wake(gist, self.index.gists, self.index.scales, self.index.owners, count)
        scores = dict(woken)
        for memory, score in woken[:neighbours]:
            for near in (memory - 1, memory + 1):
                if self.same_document(memory, near):
                    scores.setdefault(near, score - 0.1)
        return sorted(self.recite(scores), key=lambda run: -run.score)

    def same_document(self, memory: int, other: int) -> bool:
        inside = 0 <= other < self.index.memories
        return inside and self.index.document_of(memory) == self.index.document_of(other)

    def recite(self, scores: dict[int, float]) -> list[Recitation]:
        """Recite memories and join those that follow each other; ``scores`` by memory."""
        chosen = sorted(scores)
        if not chosen:
            return []
        woken = self.index.wake(chosen)
        rows = recite(self.models.memorizer, woken.weights, woken.scales, [sum(sizes) for sizes in woken.sentences])
        runs: list[list[int]] = []
        for i, memory in enumerate(chosen):
            if i and chosen[i - 1] == memory - 1 and self.same_document(memory - 1, memory):
                runs[-1].append(i)
            else:
                runs.append([i])
        return [self.join(run, chosen, rows, woken, scores) for run in runs]

    def join(
        self, run: Sequence[int], chosen: Sequence[int], rows: Sequence[Sequence[int]], woken: Woken, scores: dict[int, float]
    ) -> Recitation:
        """The recitation of the memories ``chosen[i]`` for i in ``run``, recited as ``rows[i]``."""
        sentences, text = [], ""
        for i in run:
            for part in sentence_texts(self.models.tokenizer, rows[i], woken.sentences[i]):
                sentences.append(Sentence(len(text), len(text) + len(part), chosen[i]))
                text += part
        return Recitation(
            first=chosen[run[0]],
            document=self.documents[self.index.document_of(chosen[run[0]])],
            text=text,
            sentences=tuple(sentences),
            pages={chosen[i]: woken.pages[i] for i in run},
            verbatim={chosen[i]: checksum(rows[i]) == woken.checksums[i] for i in run},
            score=max(scores[chosen[i]] for i in run),
        )

    def ask(self, question: str) -> Answer:
        """Answer ``question``, or refuse."""
        begun = time.monotonic()
        return self.read(question, self.recall(question), begun)

    def read(self, question: str, runs: Sequence[Recitation], begun: float) -> Answer:
        """Answer ``question`` from recitations; ``begun`` (monotonic seconds) is when the question came."""
        reading = read_answer(self.models.core, question, [Passage(r.text, r.first, r.score) for r in runs])
        elapsed = int((time.monotonic() - begun) * 1000)
        if reading is None or reading.score < REFUSE_BELOW:
            return Answer(question, None, True, 1 - reading.confidence if reading else 1.0, (), elapsed)
        run = runs[reading.passage]
        text = answer_text(run.text, reading)
        return Answer(question, text, False, reading.confidence, (evidence(run, reading),), elapsed)


def answer_text(text: str, reading: Reading) -> str:
    """The words of an answer read in ``text``."""
    if reading.kind is not None:
        return "yes" if reading.kind == YES else "no"
    return " ".join(text[reading.start : reading.end].split())


def evidence(run: Recitation, reading: Reading) -> Evidence:
    """The sentences that hold the answer; for yes and no, the run's first memory."""
    if reading.kind is None:
        held = [s for s in run.sentences if s.start < reading.end and s.end > reading.start]
    else:
        held = [s for s in run.sentences if s.memory == run.first]
    text = run.text[held[0].start : held[-1].end].strip()
    verbatim = all(run.verbatim[s.memory] for s in held)
    return Evidence(text, run.document, run.pages[held[0].memory], verbatim, round(run.score, 4))
