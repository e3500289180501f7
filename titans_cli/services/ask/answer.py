"""Read an answer out of what was retrieved, and compute its confidence. Writes nothing."""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from model import YES, CalibrationFeatures, Passage, Reading, confidence_of, read_answers
from titans_cli.encoding import well_formed
from titans_cli.models import Models
from titans_cli.services.ask.results import MIN_CONFIDENCE, Answer, Evidence, RetrievedSentence, merge_evidence
from titans_cli.services.ask.retrieve import Recitation, Retrieval, Retriever, Sentence

__all__ = ["Assistant", "answer_text"]

LISTING = re.compile(r"\b(what|which|who|where|when|list|name|give)\b.*\b(all|every|each)\b|\b(list|name|enumerate) the\b", re.IGNORECASE)
"""Questions that ask for more than one thing."""
LISTED = 0.02
"""Share of the best answer's confidence that the others of a list need."""
NEXT = 0.125
"""Share of the confidence of the one before it that each of a list needs."""

Single = tuple[Passage, Recitation, Sentence]


class Assistant:
    """Answers questions from the snapshot that was the head when this object was made."""

    def __init__(self, home: Path, models: Models):
        self.models = models
        self.retriever = Retriever(home, models)

    @property
    def digest(self) -> str:
        """The digest of the snapshot that it answers from."""
        return self.retriever.snapshot.digest

    @cached_property
    def documents(self) -> list[str]:
        return [document.name for document in self.retriever.index.documents]

    def ask(self, question: str, least: float = MIN_CONFIDENCE) -> Answer:
        """Answer ``question``, or refuse where the confidence would be below ``least``."""
        begun = time.monotonic()
        question = well_formed(question)
        return self.read(question, self.retriever.retrieve(question), begun, least)

    def read(self, question: str, retrieval: Retrieval, begun: float, least: float = MIN_CONFIDENCE) -> Answer:
        """Answer ``question`` from recitations; ``begun`` (monotonic seconds) is when the question came."""
        singles = single_sentences(retrieval)
        passages = [Passage(run.text, run.first, run.score, retrieval.fits_of(run)) for run in retrieval.runs]
        readings = read_answers(self.models.reader, question, passages, [passage for passage, _, _ in singles])
        said = [locate(reading, retrieval, singles) for reading in wanted(question, readings)]
        features = features_of(readings, retrieval, *said[0]) if said else None
        confidence = confidence_of(features) if features else 0.0
        elapsed = int((time.monotonic() - begun) * 1000)
        if not said or confidence < least:
            return Answer(question, None, 1 - confidence, (), elapsed, features, sentences_of(retrieval, ()), retrieval)
        text = ", ".join(dict.fromkeys(answer_text(run.text, reading) for run, reading in said))
        evidence = merge_evidence(evidence_of(run, reading) for run, reading in said)
        return Answer(question, text, confidence, evidence, elapsed, features, sentences_of(retrieval, evidence), retrieval)


def single_sentences(retrieval: Retrieval) -> list[Single]:
    """Each retrieved sentence as a passage of its own, in stream order, with its recitation."""
    runs = retrieval.run_of()
    found = []
    for hit in retrieval.hits:
        run = runs[hit.memory]
        sentence = run.sentences[hit.sentence - run.place]
        found.append((Passage(run.text[sentence.start : sentence.end], hit.sentence, hit.score), run, sentence))
    return sorted(found, key=lambda single: single[0].place)


def locate(reading: Reading, retrieval: Retrieval, singles: Sequence[Single]) -> tuple[Recitation, Reading]:
    """The recitation that an answer was read in, and the reading with its place in it."""
    if reading.passage < len(retrieval.runs):
        return retrieval.runs[reading.passage], reading
    _, run, sentence = singles[reading.passage - len(retrieval.runs)]
    if reading.kind is None:
        reading = replace(reading, start=reading.start + sentence.start, end=reading.end + sentence.start)
    return run, reading


def features_of(readings: Sequence[Reading], retrieval: Retrieval, run: Recitation, reading: Reading) -> CalibrationFeatures:
    """The features from which confidence is computed; ``reading`` is the best answer, located in ``run``."""
    best = max(1e-9, min(1 - 1e-9, reading.confidence))
    others = max((other.confidence for other in readings[1:]), default=0.0)
    scores = {hit.sentence: hit.score for hit in retrieval.hits}
    fits = [(end, max(fit, scores.get(sentence, -math.inf))) for sentence, (end, fit) in enumerate(retrieval.fits_of(run), run.place)]
    here = next(fit for end, fit in fits if reading.end <= end) if reading.kind is None else max(fit for _, fit in fits)
    lead = math.log(best / max(1e-9, others))
    return CalibrationFeatures(math.log(best / (1 - best)), reading.score, lead, float(retrieval.fits.max()), here)


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


def sentences_of(retrieval: Retrieval, evidence: Sequence[Evidence]) -> tuple[RetrievedSentence, ...]:
    """The retrieved sentences for display, best first; those in ``evidence`` are marked as used."""
    runs = retrieval.run_of()
    used = {number for piece in evidence for number in range(piece.sentences[0], piece.sentences[1] + 1)}
    shown = []
    for hit in sorted(retrieval.hits, key=lambda hit: -hit.score):
        run, number = runs[hit.memory], hit.sentence
        text = " ".join(run.part(number, number).split())
        place = run.document, run.pages[hit.memory], run.verbatim[hit.memory]
        shown.append(RetrievedSentence(text, *place, round(hit.score, 4), number in retrieval.associated, number in used))
    return tuple(shown)


def wanted(question: str, readings: Sequence[Reading]) -> list[Reading]:
    """The best reading; for questions that ask for a list, also others nearly as good that do not overlap."""
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
