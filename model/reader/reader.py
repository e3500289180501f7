"""The reader's interface: tokenizes texts and scores the possible answers in windows of passages."""

# b window · t token of the window · n token of a piece

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from tokenizers import Encoding
from torch import Tensor

from model.bert import PAD, SEPARATOR, START, stack, wordpieces
from model.reader.network import NO, start_and_end
from model.recall.encoder import Encoder
from model.runtime import reduced_precision

__all__ = ["Reader", "Scores"]


class Scores(NamedTuple):
    """Logits of every answer in a window, float32 on the CPU."""

    spans: list[Tensor]  # of each piece [n, n], by first and last token
    special: Tensor  # [3], of NOTHING, YES and NO


class Reader:
    """Scores answers with the encoder's trunk."""

    def __init__(self, encoder: Encoder):
        self.encoder = encoder

    def tokenize(self, texts: Sequence[str]) -> list[Encoding]:
        """Ids and character offsets of each text, without special tokens."""
        return wordpieces(texts)

    def score(self, question: Sequence[int], windows: Sequence[Sequence[Sequence[int]]]) -> list[Scores]:
        """Scores of each window; a window is a list of pieces in stream order, and a piece a list of ids."""
        rows = [[START, *(token for piece in window for token in (*piece, SEPARATOR)), *question, SEPARATOR] for window in windows]
        asked = len(question) + 1
        kinds = [[0] * (len(row) - asked) + [1] * asked for row in rows]
        device, shift = self.encoder.device, self.encoder.config.persistent
        with reduced_precision(device):
            scores = start_and_end(self.encoder, stack(rows, PAD, device), stack(kinds, 0, device))
        result = []
        for window, start, end in zip(windows, *(each.cpu() for each in scores), strict=True):
            firsts = [shift + 1]
            for piece in window:
                firsts.append(firsts[-1] + len(piece) + 1)
            inner = [slice(first, after - 1) for first, after in pairwise(firsts)]
            spans = [start[part, None] + end[None, part] for part in inner]
            result.append(Scores(spans, start[: NO + 1] + end[: NO + 1]))
        return result
