"""Read an answer out of what was retrieved, and compute its confidence. Writes nothing."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from model import CalibrationFeatures, Passage, Reading, confidence_of, read_answers
from titans_cli.encoding import well_formed
from titans_cli.models import Models
from titans_cli.services.ask.corrections import correction_of
from titans_cli.services.ask.passages import Place, best_places, closest_passages, evidence_at, place_of
from titans_cli.services.ask.phrasing import Found, answer_text, phrase, suitable, widened
from titans_cli.services.ask.question import Wanted, wanted_by
from titans_cli.services.ask.results import MIN_CONFIDENCE, STRICT, Answer, Evidence, Kind, RetrievedSentence, merge_evidence
from titans_cli.services.ask.retrieve import Recitation, Retrieval, Retriever, Sentence

__all__ = ["Assistant", "answer_text"]

LISTED = 0.02
"""Share of the best answer's confidence that the others of a list need."""
NEXT = 0.125
"""Share of the confidence of the one before it that each of a list needs."""

NEAR = 0.4
"""How much less than the best sentence the one may fit that holds the likeliest words, to be shown as the reason of yes or no."""

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
        wanted = wanted_by(question)
        singles = single_sentences(retrieval)
        passages = [Passage(run.text, run.first, run.score, retrieval.fits_of(run)) for run in retrieval.runs]
        read = read_answers(self.models.reader, question, passages, [passage for passage, _, _ in singles])
        readings = suitable(wanted, read)
        found = [locate(reading, retrieval, singles) for reading in chosen(wanted, readings)]
        features = features_of(readings, retrieval, *found[0]) if found else None
        confidence = confidence_of(features, found[0][1].kind is not None) if features else 0.0
        likely = [locate(reading, retrieval, singles) for reading in read if reading.kind is None]
        reply = reply_of(question, wanted, found, likely, retrieval) if found and confidence >= least else REFUSAL
        places = [place_of_found(one) for one in likely] if confidence < max(least, STRICT) else None
        return Answer(
            question,
            reply.text,
            1 - confidence if reply is REFUSAL else confidence,
            reply.evidence,
            int((time.monotonic() - begun) * 1000),
            features,
            sentences_of(retrieval, reply.evidence),
            reply.kind,
            () if places is None else closest_passages(question, retrieval, places, reply.evidence),
            retrieval,
        )


@dataclass(frozen=True)
class Reply:
    """An answer's words, kind and evidence."""

    text: str | None
    kind: Kind | None
    evidence: tuple[Evidence, ...]


REFUSAL = Reply(None, None, ())


def reply_of(question: str, wanted: Wanted, found: Sequence[Found], likely: Sequence[Found], retrieval: Retrieval) -> Reply:
    """The answer that the located readings ``found`` make; ``likely`` are those that are spans, best first."""
    found = [(run, widened(wanted, run, reading)) for run, reading in found]
    text, kind = phrase(wanted, found)
    if kind == "yes_no":
        return Reply(text, kind, reasons(likely, retrieval))
    later = correction_of(question, found[0], retrieval) if kind == "span" else None
    if later is not None:
        text, found = f"{answer_text(later[0].text, later[1])} (earlier: {text})", [later, *found]
    return Reply(text, kind, merge_evidence(evidence_of(run, reading) for run, reading in found))


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
    """The sentences that hold a span."""
    return evidence_at(run, *place_of(run, reading.start, reading.end), [(reading.start, reading.end)])


def reasons(likely: Sequence[Found], retrieval: Retrieval) -> tuple[Evidence, ...]:
    """The sentences that say yes or no: the one in which the likeliest words of an answer stand, if it fits, and the one that fits best."""
    best = best_places(retrieval)[:1]
    places = [place_of_found(found) for found in likely[:1]]
    fits = [float(retrieval.fits[run.place + number]) for run, number in (*places, *best)]
    kept = [*places, *best] if fits[0] >= fits[-1] - NEAR else best
    return merge_evidence(evidence_at(run, number, number) for run, number in kept)


def place_of_found(found: Found) -> Place:
    """The sentence in which a reading begins."""
    run, reading = found
    return run, place_of(run, reading.start, reading.end)[0]


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


def chosen(wanted: Wanted, readings: Sequence[Reading]) -> list[Reading]:
    """The best reading; for questions that ask for several things, also others nearly as good that do not overlap."""
    if not readings:
        return []
    best = readings[0]
    if best.kind is not None or not wanted.several:
        return [best]
    kept = [best]
    for reading in readings[1:]:
        if reading.kind is not None or any(overlap(reading, other) for other in kept):
            continue
        if reading.confidence < max(LISTED * best.confidence, NEXT * kept[-1].confidence):
            break
        kept.append(reading)
    return kept


def overlap(a: Reading, b: Reading) -> bool:
    return a.passage == b.passage and a.start < b.end and b.start < a.end
