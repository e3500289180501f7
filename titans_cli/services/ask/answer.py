"""Answer from memory: wake, recite, check, read."""

import math
import re
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from model import (
    YES,
    Passage,
    Reading,
    Signs,
    Woken,
    associate,
    checksum,
    confidence_of,
    encode_question,
    fit,
    read_answers,
    recite,
    select,
    sentence_texts,
)  # fmt: skip
from titans_cli.encoding import well_formed
from titans_cli.errors import TitansError
from titans_cli.models import Models
from titans_cli.services.ask.evidence import Context, Evidence, Recitation, Sentence, Waking, evidence_of, joined
from titans_cli.services.recitation import gists_of
from titans_cli.store import MemoryIndex, Store, StoredMemories, open_index

__all__ = ["Answer", "Assistant", "answer_text", "with_context"]

WAKE = 12
"""Memories that a question wakes."""
NEIGHBOURS = 4
"""Best ones of them whose neighbours in the document are woken too: answers do not end where a memory does."""
SEEDS = 4
"""Best sentences that wake others in turn: the facts that answer need not be like the question."""
ASSOCIATED = 48
"""Memories that they wake at most."""
ALIKE = 0.6
"""Cosine from which they do."""
COPY = 0.9
"""Share of its sentences known from better recitations from which one is passed over."""
LISTING = re.compile(r"\b(what|which|who|where|when|list|name|give)\b.*\b(all|every|each)\b|\b(list|name|enumerate) the\b", re.IGNORECASE)
"""Questions that ask for more than one thing."""
LISTED = 0.02
"""Share of the best answer's confidence that the others of a list need."""
NEXT = 0.125
"""Share of the confidence of the one before it that each of a list needs."""
MIN_CONFIDENCE = 0.2
"""Confidence that an answer needs; about one right answer in twenty is less sure."""
STRICT = 0.5
"""The same when answers must be right more often than not."""


@dataclass(frozen=True)
class Answer:
    """``answer`` is None when the question is refused: it is not in memory. ``confidence`` is then that of refusing."""

    question: str
    answer: str | None
    refused: bool
    confidence: float
    evidence: tuple[Evidence, ...]
    elapsed_ms: int
    signs: Signs | None = None  # what the confidence was made of
    woken: tuple[Waking, ...] = ()  # what the question woke, the strongest first


class Assistant:
    """Answers questions from the head of one store; loads models and gists once."""

    def __init__(self, home: Path, models: Models):
        self.home = home
        self.models = models
        with Store.open(home) as store:
            self.snapshot = store.require_head(models.fingerprint)
            self.index: MemoryIndex = open_index(store, self.snapshot)

    @cached_property
    def documents(self) -> list[str]:
        return [document.name for document in self.index.documents]

    def recall(self, question: str, count: int = WAKE, neighbours: int = NEIGHBOURS) -> list[Recitation]:
        """Wake the memories that fit ``question`` and recite them, joined where they follow each other; best first."""
        return self.awaken(question, count, neighbours, 0).runs

    def awaken(self, question: str, count: int = WAKE, neighbours: int = NEIGHBOURS, associated: int = ASSOCIATED) -> "Awake":
        """``recall``, and what its best sentences bring to mind."""
        gists, owners = gists_of(self.index), self.index.owners
        if not len(gists):
            return Awake([], [], [], frozenset(), np.zeros(0, np.float32))
        fits = fit(encode_question(self.models.core, well_formed(question)), gists)
        woken = select(fits, gists, owners, count)
        scores: dict[int, float] = {}
        for sentence in woken:
            scores.setdefault(sentence.memory, sentence.score)
        for memory, score in list(scores.items())[:neighbours]:
            for near in (memory - 1, memory + 1):
                if self.same_document(memory, near):
                    scores.setdefault(near, score - 0.1)
        further: list[Woken] = []
        if associated:
            alike = associate([sentence.sentence for sentence in woken[:SEEDS]], gists)
            known = {sentence.sentence for sentence in woken}
            brought = select(alike, gists, owners, associated, ALIKE)
            further = [replace(s, score=s.score - 1 + woken[0].score) for s in brought if s.sentence not in known]
        recitations = self.recite({s.memory: s.score for s in reversed(further)} | scores)
        runs = sorted((run for run in recitations if scores.keys() & run.pages.keys()), key=lambda run: -run.score)
        return Awake(without_copies(runs), recitations, [*woken, *further], frozenset(s.sentence for s in further), fits)

    def first_sentence(self, memory: int) -> int:
        """Number of a memory's first sentence among all in memory."""
        return int(np.searchsorted(self.index.owners, memory))

    def same_document(self, memory: int, other: int) -> bool:
        inside = 0 <= other < self.index.memories
        return inside and self.index.document_of(memory) == self.index.document_of(other)

    def recite(self, scores: dict[int, float]) -> list[Recitation]:
        """Recite memories and join those that follow each other; ``scores`` by memory."""
        chosen = sorted(scores)
        if not chosen:
            return []
        woken = self.index.wake(chosen)
        rows = recite(
            self.models.memorizer,
            [torch.from_numpy(w) for w in woken.weights],
            torch.from_numpy(woken.scales),
            [sum(sizes) for sizes in woken.sentences],
        )
        runs: list[list[int]] = []
        for i, memory in enumerate(chosen):
            if i and chosen[i - 1] == memory - 1 and self.same_document(memory - 1, memory):
                runs[-1].append(i)
            else:
                runs.append([i])
        return [self.join(run, chosen, rows, woken, scores) for run in runs]

    def join(
        self, run: Sequence[int], chosen: Sequence[int], rows: Sequence[Sequence[int]], woken: StoredMemories, scores: dict[int, float]
    ) -> Recitation:
        """The recitation of the memories ``chosen[i]`` for i in ``run``, recited as ``rows[i]``."""
        sentences, text = [], ""
        for i in run:
            for part in sentence_texts(self.models.tokenizer, rows[i], woken.sentences[i]):
                sentences.append(Sentence(len(text), len(text) + len(part), chosen[i]))
                text += part
        source = self.index.documents[self.index.document_of(chosen[run[0]])]
        return Recitation(
            first=chosen[run[0]],
            place=self.first_sentence(chosen[run[0]]),
            document=source.name,
            source=source,
            text=text,
            sentences=tuple(sentences),
            pages={chosen[i]: woken.pages[i] for i in run},
            verbatim={chosen[i]: checksum(rows[i]) == woken.checksums[i] for i in run},
            score=max(scores[chosen[i]] for i in run),
        )

    def ask(self, question: str, least: float = MIN_CONFIDENCE) -> Answer:
        """Answer ``question``, or refuse where the confidence would be below ``least``."""
        begun = time.monotonic()
        question = well_formed(question)
        return self.read(question, self.awaken(question), begun, least)

    def read(self, question: str, awake: "Awake", begun: float, least: float = MIN_CONFIDENCE) -> Answer:
        """Answer ``question`` from recitations; ``begun`` (monotonic seconds) is when the question came."""
        singles = self.singles(awake)
        passages = [Passage(run.text, run.first, run.score, self.fits_of(run, awake.fits)) for run in awake.runs]
        readings = read_answers(self.models.core, question, passages, [passage for passage, _, _ in singles])
        said = [self.locate(reading, awake, singles) for reading in wanted(question, readings)]
        signs = self.signs(readings, awake, *said[0]) if said else None
        confidence = confidence_of(signs) if signs else 0.0
        elapsed = int((time.monotonic() - begun) * 1000)
        if not said or confidence < least:
            return Answer(question, None, True, 1 - confidence, (), elapsed, signs, self.wakings(awake, ()))
        self.count_answer({run.source.path for run, _ in said})
        text = ", ".join(dict.fromkeys(answer_text(run.text, reading) for run, reading in said))
        shown = joined(evidence_of(run, reading) for run, reading in said)
        return Answer(question, text, False, confidence, shown, elapsed, signs, self.wakings(awake, shown))

    def wakings(self, awake: "Awake", shown: Sequence[Evidence]) -> tuple[Waking, ...]:
        """What was woken, as it is told; ``shown`` is what the answer rests on."""
        runs = {memory: run for run in awake.recitations for memory in run.pages}
        used = {number for evidence in shown for number in range(evidence.sentences[0], evidence.sentences[1] + 1)}
        told = []
        for woken in sorted(awake.woken, key=lambda woken: -woken.score):
            run, number = runs[woken.memory], woken.sentence
            text = " ".join(run.part(number, number).split())
            place = run.document, run.pages[woken.memory], run.verbatim[woken.memory]
            told.append(Waking(text, *place, round(woken.score, 4), woken.sentence in awake.associated, number in used))
        return tuple(told)

    def around(self, evidence: Evidence, count: int) -> Evidence:
        """``evidence`` with the ``count`` sentences before it and behind it in its document, recited."""
        first, last = evidence.sentences
        owners = self.index.owners
        home = self.index.document_of(int(owners[first]))
        low, high = (np.searchsorted(owners, self.index.starts[home + i]) for i in (0, 1))
        begin, end = max(int(low), first - count), min(int(high) - 1, last + count)
        (run,) = self.recite(dict.fromkeys(range(int(owners[begin]), int(owners[end]) + 1), 0.0))
        parts = run.part(begin, first - 1) if begin < first else "", run.part(last + 1, end)
        return replace(evidence, context=Context(parts[0].strip(), parts[1].strip(), all(run.verbatim.values())))

    def count_answer(self, paths: Iterable[str]) -> None:
        """Note that these documents are of use, for when the memory is full; not while another process writes."""
        with suppress(TitansError, sqlite3.Error), Store.open(self.home, patience=0) as store:
            store.bookkeeping.count_answer(paths)

    def signs(self, readings: Sequence[Reading], awake: "Awake", run: Recitation, reading: Reading) -> Signs:
        """What tells how sure the best answer is; ``reading`` is it, located in ``run``."""
        best = max(1e-9, min(1 - 1e-9, reading.confidence))
        others = max((other.confidence for other in readings[1:]), default=0.0)
        brought = {woken.sentence: woken.score for woken in awake.woken}
        fits = [
            (end, max(fit, brought.get(sentence, -math.inf)))
            for sentence, (end, fit) in enumerate(self.fits_of(run, awake.fits), run.place)
        ]
        here = next(fit for end, fit in fits if reading.end <= end) if reading.kind is None else max(fit for _, fit in fits)
        lead = math.log(best / max(1e-9, others))
        return Signs(math.log(best / (1 - best)), reading.score, lead, float(awake.fits.max()), here)

    def locate(
        self, reading: Reading, awake: "Awake", singles: Sequence[tuple[Passage, Recitation, Sentence]]
    ) -> tuple[Recitation, Reading]:
        """The recitation that an answer was read in, and the answer's place there."""
        if reading.passage < len(awake.runs):
            return awake.runs[reading.passage], reading
        _, run, sentence = singles[reading.passage - len(awake.runs)]
        if reading.kind is None:
            reading = replace(reading, start=reading.start + sentence.start, end=reading.end + sentence.start)
        return run, reading

    def fits_of(self, run: Recitation, fits: np.ndarray) -> tuple[tuple[int, float], ...]:
        """The last character and the fit of each of the run's sentences."""
        return tuple((s.end, float(fits[run.place + i])) for i, s in enumerate(run.sentences))

    def singles(self, awake: "Awake") -> list[tuple[Passage, Recitation, Sentence]]:
        """The woken sentences, each alone, in the order of the stream, with the recitations that they are from."""
        runs = {memory: run for run in awake.recitations for memory in run.pages}
        found = []
        for woken in awake.woken:
            run = runs[woken.memory]
            sentence = run.sentences[woken.sentence - run.place]
            found.append((Passage(run.text[sentence.start : sentence.end], woken.sentence, woken.score), run, sentence))
        return sorted(found, key=lambda single: single[0].place)


def with_context(assistant: Assistant, answer: Answer, count: int) -> Answer:
    """``answer`` with ``count`` sentences recited on both sides of its evidence."""
    return replace(answer, evidence=tuple(assistant.around(evidence, count) for evidence in answer.evidence)) if count else answer


@dataclass(frozen=True)
class Awake:
    """What a question woke."""

    runs: list[Recitation]  # recitations around the sentences that fit, best first, without copies
    recitations: list[Recitation]  # all, in the order of the stream
    woken: list[Woken]  # sentences that fit, best first, and then those that these brought to mind
    associated: frozenset[int]  # sentences that others brought to mind
    fits: np.ndarray  # how well each sentence in memory fits, float32 [s]


def without_copies(runs: Sequence[Recitation]) -> list[Recitation]:
    """Those that say something which better ones do not."""
    kept: list[Recitation] = []
    known: set[str] = set()
    for run in runs:
        said = {" ".join(run.text[s.start : s.end].split()) for s in run.sentences}
        if len(said & known) < COPY * len(said):
            kept.append(run)
            known |= said
    return kept


def wanted(question: str, readings: Sequence[Reading]) -> list[Reading]:
    """The best reading; where all of something is asked for, also those about as good that do not overlap it."""
    if not readings:
        return []
    best = readings[0]
    if best.kind is not None or not LISTING.search(question):
        return [best]
    chosen = [best]
    for reading in readings[1:]:
        if reading.kind is not None or any(overlap(reading, other) for other in chosen):
            continue
        if reading.confidence < max(LISTED * best.confidence, NEXT * chosen[-1].confidence):
            break
        chosen.append(reading)
    return chosen


def overlap(a: Reading, b: Reading) -> bool:
    return a.passage == b.passage and a.start < b.end and b.start < a.end


def answer_text(text: str, reading: Reading) -> str:
    """The words of an answer read in ``text``."""
    if reading.kind is not None:
        return "yes" if reading.kind == YES else "no"
    return " ".join(text[reading.start : reading.end].split())
