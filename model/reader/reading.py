"""Reading an answer out of recitations: windows of [persistent ‖ recitations in stream order ‖ question]."""

# b window · t token · p persistent token

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from model.recall.encoder import NO, NOTHING, PAD, SEPARATOR, START, YES, Core, stack, wordpieces
from model.runtime import reduced_precision

__all__ = ["Passage", "Reading", "read_answers"]

WINDOW = 320
"""Most tokens of a window; training used the same."""
SENTENCES_WINDOW = 416
"""Most tokens of a window of single sentences; training used the same."""
LONGEST_SENTENCE = 60
"""Tokens of a sentence in such a window."""
OVERLAP = 48
"""Tokens that two windows share when one passage is longer than a window."""
LONGEST_QUESTION = 64
LONGEST_ANSWER = 40
"""Tokens; an identifier of 36 characters has up to as many."""
BATCH = 8
PRIOR = 6.0
"""Logits that an answer gains for each point by which its sentence fits the question better, see ``recall.fit``."""
FIRST_UNSPACED = "\u2e80"
"""From here on are the scripts of East Asia."""
SPANS = 20
"""Best spans of each window that are compared with those of others."""


@dataclass(frozen=True)
class Passage:
    """Recited text offered to the reader."""

    text: str
    place: int  # where it stands in the stream
    score: float  # how well its gist fits the question
    fits: tuple[tuple[int, float], ...] = ()  # last character and score of each sentence, where they are known


@dataclass(frozen=True)
class Reading:
    """An answer: characters ``start`` to ``end`` of passage ``passage``, or ``kind`` YES or NO.

    Where several spans say the same, this is the best of them, and score and confidence are of all together.
    """

    passage: int
    start: int
    end: int
    kind: int | None  # YES, NO or None for a span
    score: float  # of the answer above nothing, in logits
    confidence: float  # probability among all answers of all windows and nothing


@dataclass(frozen=True)
class Piece:
    """A stretch of one passage's tokens."""

    passage: int
    ids: list[int]
    offsets: list[tuple[int, int]]
    prior: list[float]  # logits of each token


def priors(passage: Passage, offsets: Sequence[tuple[int, int]], top: float) -> list[float]:
    """What an answer that starts at each token gains, at most 0."""
    fits = iter((*passage.fits, (len(passage.text), passage.score)))
    end, score = next(fits)
    result = []
    for _, last in offsets:
        while last > end:
            end, score = next(fits)
        result.append(min(0.0, PRIOR * (score - top)))
    return result


def best_fit(passages: Sequence[Passage]) -> float:
    return max((score for p in passages for score in (p.score, *(fit for _, fit in p.fits))), default=0.0)


def pieces(passages: Sequence[Passage], room: int, top: float) -> list[Piece]:
    """Every passage, cut into overlapping stretches where it is longer than ``room`` tokens."""
    result = []
    for number, encoding in enumerate(wordpieces([p.text for p in passages])):
        prior = priors(passages[number], encoding.offsets, top)
        step = max(1, room - OVERLAP)
        for first in range(0, max(1, len(encoding.ids) - OVERLAP), step):
            part = slice(first, first + room)
            if encoding.ids[part]:
                result.append(Piece(number, encoding.ids[part], encoding.offsets[part], prior[part]))
    return result


def pack(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Numbers of pieces, in order, in windows of ``room`` tokens; behind each piece stands a separator."""
    windows: list[list[int]] = []
    used = room + 1
    for number, length in enumerate(lengths):
        if used + length + 1 > room:
            windows.append([])
            used = 0
        windows[-1].append(number)
        used += length + 1
    return windows


def arrange(passages: Sequence[Passage], room: int, top: float = 0.0) -> list[list[Piece]]:
    """Windows: the best passages together first, each window's in the order of the stream."""
    best_first = sorted(pieces(passages, room - 1, top), key=lambda piece: -passages[piece.passage].score)
    windows = [[best_first[i] for i in window] for window in pack([len(piece.ids) for piece in best_first], room)]
    for window in windows:
        window.sort(key=lambda piece: passages[piece.passage].place)
    return windows


def gather(sentences: Sequence[Passage], first: int, room: int, top: float) -> list[Piece]:
    """A window of the best sentences that there is room for, in the order of the stream; the first is passage ``first``."""
    chosen = []
    encoded = wordpieces([sentence.text for sentence in sentences])
    for number in sorted(range(len(sentences)), key=lambda i: -sentences[i].score):
        encoding = encoded[number]
        length = min(len(encoding.ids), LONGEST_SENTENCE)
        if length and length + 1 <= room:
            room -= length + 1
            offsets = encoding.offsets[:length]
            piece = Piece(first + number, encoding.ids[:length], offsets, priors(sentences[number], offsets, top))
            chosen.append((sentences[number].place, piece))
    return [piece for _, piece in sorted(chosen, key=lambda pair: pair[0])]


@torch.inference_mode()
def read_answers(core: Core, question: str, passages: Sequence[Passage], sentences: Sequence[Passage] = ()) -> list[Reading]:
    """Answers to ``question``, best first, by one softmax over all windows; none when there is nothing to read.

    Passages are read some at a time, single ``sentences`` (in the order of the stream) all together: a reading's ``passage`` counts
    through both. Spans of the same words are one answer.
    """
    asked = wordpieces([question])[0].ids[:LONGEST_QUESTION]
    top = best_fit([*passages, *sentences])
    windows = arrange(passages, WINDOW - len(asked) - 2, top) if passages else []
    together = gather(sentences, len(passages), SENTENCES_WINDOW - len(asked) - 2, top)
    windows += [together] if together else []
    if not windows or not asked:
        return []
    texts = [passage.text for passage in (*passages, *sentences)]
    partition = [torch.zeros(1)]
    same: dict[str, list[Reading]] = {}
    for first in range(0, len(windows), BATCH):
        batch = windows[first : first + BATCH]
        for window, starts, ends in zip(batch, *scores(core, asked, batch), strict=True):
            readings, everything = best_of_window(core.config.persistent, window, starts, ends)
            partition.append(everything)
            for reading in readings:
                if reading.kind is None:
                    reading = whole_words(texts[reading.passage], reading)
                said = texts[reading.passage][reading.start : reading.end] if reading.kind is None else f" {reading.kind}"
                same.setdefault(normal(said), []).append(reading)
    total = torch.cat(partition).logsumexp(0)
    answers = []
    for group in same.values():
        score = torch.tensor([reading.score for reading in group]).logsumexp(0)
        best = max(group, key=lambda reading: reading.score)
        answers.append(replace(best, score=score.item(), confidence=(score - total).exp().clamp(max=1).item()))
    return sorted(answers, key=lambda reading: -reading.score)


def whole_words(text: str, reading: Reading) -> Reading:
    """The reading, no word of ``text`` cut: numbers and identifiers are of several tokens."""
    start, end = reading.start, reading.end
    while within_word(text, start):
        start -= 1
    while within_word(text, end):
        end += 1
    return replace(reading, start=start, end=end)


def within_word(text: str, at: int) -> bool:
    """Whether a word goes on from character ``at`` - 1 to ``at``; of scripts that part words by spaces."""
    return 0 < at < len(text) and all(c.isalnum() and c < FIRST_UNSPACED for c in text[at - 1 : at + 1])


def normal(text: str) -> str:
    """Words alone, in lower case, without articles in front."""
    words = re.findall(r"\w+", text.lower())
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words) or text


def scores(core: Core, asked: list[int], windows: Sequence[Sequence[Piece]]) -> tuple[Tensor, Tensor]:
    """Start and end scores [b, p + t] of each window."""
    rows, kinds = [], []
    for window in windows:
        recited = [token for piece in window for token in (SEPARATOR, *piece.ids)][1:]
        rows.append([START, *recited, SEPARATOR, *asked, SEPARATOR])
        kinds.append([0] * (len(recited) + 2) + [1] * (len(asked) + 1))
    device = core.persistent.device
    with reduced_precision(device):
        start, end = core.read(stack(rows, PAD).to(device), stack(kinds, 0).to(device))
    return start.cpu(), end.cpu()


def best_of_window(shift: int, window: Sequence[Piece], start: Tensor, end: Tensor) -> tuple[list[Reading], Tensor]:
    """The window's best answers, and the sum of its scores of every answer [1], all relative to its score of nothing."""
    nothing = start[NOTHING] + end[NOTHING]
    said = [start[kind] + end[kind] - nothing for kind in (YES, NO)]
    readings = [Reading(window[0].passage, 0, 0, kind, float(score), 0.0) for kind, score in zip((YES, NO), said, strict=True)]
    everything = [torch.stack(said)]
    firsts = [shift + 1]
    for piece in window:
        firsts.append(firsts[-1] + len(piece.ids) + 1)
    for piece, (first, after) in zip(window, pairwise(firsts), strict=True):
        inner = slice(first, after - 1)
        pairs = (start[inner] + torch.tensor(piece.prior))[:, None] + end[None, inner] - nothing
        band = torch.ones_like(pairs, dtype=torch.bool).triu().tril(LONGEST_ANSWER)
        pairs = pairs.masked_fill(~band, -torch.inf)
        everything.append(pairs[band])
        best, places = pairs.flatten().topk(min(SPANS, int(band.sum())))
        for score, (i, j) in zip(best.tolist(), (divmod(place, len(piece.ids)) for place in places.tolist()), strict=True):
            readings.append(Reading(piece.passage, piece.offsets[i][0], piece.offsets[j][1], None, score, 0.0))
    readings.sort(key=lambda reading: -reading.score)
    return readings[:SPANS], torch.cat(everything).logsumexp(0, keepdim=True)
