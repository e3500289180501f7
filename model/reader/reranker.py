"""The encoder's trunk as a small reader: it scores the answers in windows cheaply, and so chooses those that the reader reads.

Attention over [persistent tokens ‖ recitations ‖ question]; start and end scores point at a recited token, or both at the first,
second or third persistent token: nothing, yes, no. Trained with the encoder, see ``training/losses.py``.
"""

# b window · t token · p persistent token

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from model.bert import PAD, SEPARATOR, START, stack
from model.reader.network import NO, NOTHING
from model.recall.encoder import Encoder
from model.runtime import reduced_precision

__all__ = ["rank_windows", "start_and_end"]


def start_and_end(encoder: Encoder, ids: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
    """Start and end scores, each [b, p + t], of windows [b, t] of recitations (kind 0) and question (kind 1), ``PAD`` at the end.

    Only recited tokens and the first three persistent tokens can be pointed at; all else is −inf.
    """
    count = encoder.config.persistent
    persistent = encoder.norm(encoder.persistent).expand(len(ids), -1, -1)
    x = torch.cat([persistent, encoder.embed(ids, kinds)], 1)
    valid = F.pad(ids != PAD, (count, 0), value=True)
    scores = encoder.span(encoder.run(x, valid)).float()
    special = (ids == PAD) | (ids == START) | (ids == SEPARATOR)
    allowed = F.pad((kinds == 0) & ~special, (count, 0), value=False)
    allowed[:, : NO + 1] = True
    start, end = scores.masked_fill(~allowed[..., None], -torch.inf).unbind(-1)
    return start, end


def rank_windows(encoder: Encoder, question: Sequence[int], windows: Sequence[Sequence[Sequence[int]]]) -> list[float]:
    """For each window, a list of pieces of token ids: the logit of its best start and end above nothing."""
    rows = [[START, *(token for piece in window for token in (*piece, SEPARATOR)), *question, SEPARATOR] for window in windows]
    asked = len(question) + 1
    kinds = [[0] * (len(row) - asked) + [1] * asked for row in rows]
    with reduced_precision(encoder.device):
        start, end = start_and_end(encoder, stack(rows, PAD, encoder.device), stack(kinds, 0, encoder.device))
    inner = slice(NO + 1, None)
    return (start[:, inner].amax(1) + end[:, inner].amax(1) - start[:, NOTHING] - end[:, NOTHING]).tolist()
