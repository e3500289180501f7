"""Reading an answer out of recitations: windows of [persistent ‖ recitations in stream order ‖ question]."""

# b window · t token · p persistent token

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from model.core import NO, NOTHING, PAD, SEPARATOR, START, YES, Core, stack, wordpieces
from model.runtime import reduced_precision

__all__ = ["Passage", "Reading", "read_answer"]

WINDOW = 320
"""Most tokens of a window; training used the same."""
OVERLAP = 48
"""Tokens that two windows share when one passage is longer than a window."""
LONGEST_QUESTION = 64
LONGEST_ANSWER = 30
BATCH = 8


@dataclass(frozen=True)
class Passage:
    """Recited text offered to the reader."""

    text: str
    place: int  # where it stands in the stream
    score: float  # how well its gist fits the question


@dataclass(frozen=True)
class Reading:
    """The best answer: characters ``start`` to ``end`` of passage ``passage``, or ``kind`` YES or NO; None if nothing."""

    passage: int
    start: int
    end: int
    kind: int | None  # YES, NO, NOTHING or None for a span
    score: float  # of the answer above nothing, in logits
    confidence: float  # probability among all answers of all windows and nothing


@dataclass(frozen=True)
class Piece:
    """A stretch of one passage's tokens."""

    passage: int
    ids: list[int]
    offsets: list[tuple[int, int]]


def pieces(passages: Sequence[Passage], room: int) -> list[Piece]:
    """Every passage, cut into overlapping stretches where it is longer than ``room`` tokens."""
    result = []
    for number, encoding in enumerate(wordpieces([p.text for p in passages])):
        step = max(1, room - OVERLAP)
        for first in range(0, max(1, len(encoding.ids) - OVERLAP), step):
            part = slice(first, first + room)
            if encoding.ids[part]:
                result.append(Piece(number, encoding.ids[part], encoding.offsets[part]))
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


def arrange(passages: Sequence[Passage], room: int) -> list[list[Piece]]:
    """Windows: the best passages together first, each window's in the order of the stream."""
    best_first = sorted(pieces(passages, room - 1), key=lambda piece: -passages[piece.passage].score)
    windows = [[best_first[i] for i in window] for window in pack([len(piece.ids) for piece in best_first], room)]
    for window in windows:
        window.sort(key=lambda piece: passages[piece.passage].place)
    return windows


@torch.inference_mode()
def read_answer(core: Core, question: str, passages: Sequence[Passage]) -> Reading | None:
    """The best answer to ``question`` in ``passages``, by one softmax over all windows; None when there is nothing to read."""
    asked = wordpieces([question])[0].ids[:LONGEST_QUESTION]
    windows = arrange(passages, WINDOW - len(asked) - 2)
    if not windows or not asked:
        return None
    best: Reading | None = None
    partition = [torch.zeros(1)]
    for first in range(0, len(windows), BATCH):
        batch = windows[first : first + BATCH]
        start, end = scores(core, asked, batch)
        for window, starts, ends in zip(batch, start, end, strict=True):
            reading, everything = best_of_window(core.config.persistent, window, starts, ends)
            partition.append(everything)
            if best is None or reading.score > best.score:
                best = reading
    assert best is not None
    total = torch.cat(partition).logsumexp(0).item()
    confidence = float(torch.tensor(best.score - total).exp())
    return Reading(best.passage, best.start, best.end, best.kind, best.score, confidence)


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


def best_of_window(shift: int, window: Sequence[Piece], start: Tensor, end: Tensor) -> tuple[Reading, Tensor]:
    """The window's best answer, and its scores of every answer, all relative to its score of nothing."""
    nothing = start[NOTHING] + end[NOTHING]
    said = [start[kind] + end[kind] - nothing for kind in (YES, NO)]
    best = max(
        (Reading(window[0].passage, 0, 0, kind, float(score), 0.0) for kind, score in zip((YES, NO), said, strict=True)),
        key=lambda reading: reading.score,
    )
    everything = [torch.stack(said)]
    firsts = [shift + 1]
    for piece in window:
        firsts.append(firsts[-1] + len(piece.ids) + 1)
    for piece, (first, after) in zip(window, pairwise(firsts), strict=True):
        inner = slice(first, after - 1)
        pairs = start[inner, None] + end[None, inner] - nothing
        band = torch.ones_like(pairs, dtype=torch.bool).triu().tril(LONGEST_ANSWER)
        pairs = pairs.masked_fill(~band, -torch.inf)
        everything.append(pairs[band])
        score, index = pairs.flatten().max(0)
        if score > best.score:
            i, j = divmod(int(index), len(piece.ids))
            best = Reading(piece.passage, piece.offsets[i][0], piece.offsets[j][1], None, float(score), 0.0)
    return best, torch.cat(everything).logsumexp(0, keepdim=True)
