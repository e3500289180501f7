"""Builds the reader's windows, [recitations in stream order ‖ question], from passages and sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.reader.reader import Reader

__all__ = ["LONGEST_SENTENCE", "SENTENCES_WINDOW", "WINDOW", "Passage", "Piece", "arrange", "best_fit", "gather", "pack", "pieces"]

WINDOW = 384
"""Most tokens of a window; training used the same."""
SENTENCES_WINDOW = 416
"""Most tokens of a window of single sentences; training used the same."""
LONGEST_SENTENCE = 60
"""Tokens of a sentence in such a window."""
OVERLAP = 48
"""Tokens that two windows share when one passage is longer than a window."""
PRIOR = 6.0
"""Logits that an answer gains for each point by which its sentence fits the question better, see ``search.score_sentences``."""


@dataclass(frozen=True)
class Passage:
    """Recited text offered to the reader."""

    text: str
    place: int  # where it stands in the stream
    score: float  # how well its sentences fit the question
    fits: tuple[tuple[int, float], ...] = ()  # last character and score of each sentence, where they are known


@dataclass(frozen=True)
class Piece:
    """A stretch of one passage's tokens."""

    passage: int
    ids: list[int]
    offsets: list[tuple[int, int]]
    prior: list[float]  # logits of each token


def priors(passage: Passage, offsets: Sequence[tuple[int, int]], top: float) -> list[float]:
    """The bonus of an answer that starts at each token; at most 0."""
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


def pieces(reader: Reader, passages: Sequence[Passage], room: int, top: float) -> list[Piece]:
    """All passages; those longer than ``room`` tokens are cut into overlapping pieces."""
    result = []
    for number, encoding in enumerate(reader.tokenize([p.text for p in passages])):
        prior = priors(passages[number], encoding.offsets, top)
        step = max(1, room - OVERLAP)
        for first in range(0, max(1, len(encoding.ids) - OVERLAP), step):
            part = slice(first, first + room)
            if encoding.ids[part]:
                result.append(Piece(number, encoding.ids[part], encoding.offsets[part], prior[part]))
    return result


def pack(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Numbers of pieces, in order, in windows of ``room`` tokens; a separator follows each piece."""
    windows: list[list[int]] = []
    used = room + 1
    for number, length in enumerate(lengths):
        if used + length + 1 > room:
            windows.append([])
            used = 0
        windows[-1].append(number)
        used += length + 1
    return windows


def arrange(reader: Reader, passages: Sequence[Passage], room: int, top: float = 0.0) -> list[list[Piece]]:
    """Windows in which the best passages come first; within a window, passages are in stream order."""
    best_first = sorted(pieces(reader, passages, room - 1, top), key=lambda piece: -passages[piece.passage].score)
    windows = [[best_first[i] for i in window] for window in pack([len(piece.ids) for piece in best_first], room)]
    for window in windows:
        window.sort(key=lambda piece: passages[piece.passage].place)
    return windows


def gather(reader: Reader, sentences: Sequence[Passage], first: int, room: int, top: float) -> list[Piece]:
    """A window of the best sentences that fit, in stream order; the first is passage ``first``."""
    chosen = []
    encoded = reader.tokenize([sentence.text for sentence in sentences])
    for number in sorted(range(len(sentences)), key=lambda i: -sentences[i].score):
        encoding = encoded[number]
        length = min(len(encoding.ids), LONGEST_SENTENCE)
        if length and length + 1 <= room:
            room -= length + 1
            offsets = encoding.offsets[:length]
            piece = Piece(first + number, encoding.ids[:length], offsets, priors(sentences[number], offsets, top))
            chosen.append((sentences[number].place, piece))
    return [piece for _, piece in sorted(chosen, key=lambda pair: pair[0])]
