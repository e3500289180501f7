"""Chooses answer spans from a window's scores: the best ones, extended to whole words, without duplicates."""

# n token of a piece

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.reader.network import NO, NOTHING, YES
from model.reader.reader import Scores
from model.reader.windows import Piece

__all__ = ["LONGEST_ANSWER", "Reading", "best_of_window", "normal", "whole_words"]

LONGEST_ANSWER = 40
"""Most tokens of an answer; an identifier of 36 characters has up to 36."""
SPANS = 20
"""Best spans of each window that are compared with those of others."""
FIRST_UNSPACED = "\u2e80"
"""The first character of the East Asian scripts."""


@dataclass(frozen=True)
class Reading:
    """An answer: characters ``start`` to ``end`` of passage ``passage``, or ``kind`` YES or NO.

    If several spans say the same, this is the best of them; score and confidence are those of all together.
    """

    passage: int
    start: int
    end: int
    kind: int | None  # YES, NO or None for a span
    score: float  # of the answer above nothing, in logits
    confidence: float  # probability among all answers of all windows and nothing


def best_of_window(window: Sequence[Piece], scores: Scores) -> tuple[list[Reading], Tensor]:
    """The window's best answers, and the sum of its scores of every answer [1], all relative to its score of nothing."""
    said = scores.special - scores.special[NOTHING]
    readings = [Reading(window[0].passage, 0, 0, kind, float(said[kind]), 0.0) for kind in (YES, NO)]
    everything = [said[[YES, NO]]]
    for piece, spans in zip(window, scores.spans, strict=True):
        pairs = spans + torch.tensor(piece.prior)[:, None] - scores.special[NOTHING]
        band = torch.ones_like(pairs, dtype=torch.bool).triu().tril(LONGEST_ANSWER)
        pairs = pairs.masked_fill(~band, -torch.inf)
        everything.append(pairs[band])
        best, places = pairs.flatten().topk(min(SPANS, int(band.sum())))
        for score, (i, j) in zip(best.tolist(), (divmod(place, len(piece.ids)) for place in places.tolist()), strict=True):
            readings.append(Reading(piece.passage, piece.offsets[i][0], piece.offsets[j][1], None, score, 0.0))
    readings.sort(key=lambda reading: -reading.score)
    return readings[:SPANS], torch.cat(everything).logsumexp(0, keepdim=True)


def whole_words(text: str, reading: Reading) -> Reading:
    """The reading, extended so that no word of ``text`` is cut: numbers and identifiers consist of several tokens."""
    start, end = reading.start, reading.end
    while within_word(text, start):
        start -= 1
    while within_word(text, end):
        end += 1
    return replace(reading, start=start, end=end)


def within_word(text: str, at: int) -> bool:
    """Whether one word contains characters ``at`` - 1 and ``at``; for scripts that separate words by spaces."""
    return 0 < at < len(text) and all(c.isalnum() and c < FIRST_UNSPACED for c in text[at - 1 : at + 1])


def normal(text: str) -> str:
    """The words in lower case, without punctuation and leading articles."""
    words = re.findall(r"\w+", text.lower())
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words) or text
