"""The reader's network: scores of every token as the start and the end of an answer.

Memory as context (Titans §4.1): attention over [persistent tokens ‖ recitations in stream order ‖ question]. Start and end scores
point at a recited token, or both at the first, second or third persistent token: nothing, yes, no. One softmax covers them all.
Everything that reads answers uses ``Reader`` alone; today it runs on the encoder's trunk.
"""

# b window · t token · p persistent token

from collections.abc import Sequence

import torch
from tokenizers import Encoding
from torch import Tensor
from torch.nn import functional as F

from model.bert import PAD, SEPARATOR, START, wordpieces
from model.recall.encoder import Encoder

__all__ = ["NO", "NOTHING", "YES", "Reader"]

NOTHING, YES, NO = 0, 1, 2
"""Persistent tokens that stand for the answers that are no span."""


class Reader:
    """Reads windows of token ids [b, t], with ``pad`` at the end of short rows."""

    pad, start, separator = PAD, START, SEPARATOR

    def __init__(self, encoder: Encoder):
        self.encoder = encoder

    @property
    def device(self) -> torch.device:
        return self.encoder.device

    @property
    def persistent(self) -> int:
        """Persistent tokens: so many scores stand before those of a window's first token."""
        return self.encoder.config.persistent

    def tokenize(self, texts: Sequence[str]) -> list[Encoding]:
        """Ids and character offsets of each text, without special tokens."""
        return wordpieces(texts)

    def scores(self, ids: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Start and end scores, each [b, p + t], of windows of recitations (kind 0) and question (kind 1).

        Only recited tokens and the first three persistent tokens can be pointed at; all else is −inf.
        """
        encoder, count = self.encoder, self.persistent
        persistent = encoder.norm(encoder.persistent).expand(len(ids), -1, -1)
        x = torch.cat([persistent, encoder.embed(ids, kinds)], 1)
        valid = F.pad(ids != self.pad, (count, 0), value=True)
        scores = encoder.span(encoder.run(x, valid)).float()
        special = (ids == self.pad) | (ids == self.start) | (ids == self.separator)
        allowed = F.pad((kinds == 0) & ~special, (count, 0), value=False)
        allowed[:, : NO + 1] = True
        start, end = scores.masked_fill(~allowed[..., None], -torch.inf).unbind(-1)
        return start, end
