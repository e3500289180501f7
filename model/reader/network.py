"""The reader's network: scores of every token as the start and the end of an answer.

Memory as context (Titans §4.1): attention over [persistent tokens ‖ recitations in stream order ‖ question]. Start and end scores
point at a recited token, or both at the first, second or third persistent token: nothing, yes, no. Today it is the encoder's trunk.
"""

# b window · t token · p persistent token

import torch
from torch import Tensor
from torch.nn import functional as F

from model.bert import PAD, SEPARATOR, START
from model.recall.encoder import Encoder

__all__ = ["NO", "NOTHING", "YES", "start_and_end"]

NOTHING, YES, NO = 0, 1, 2
"""Persistent tokens for the answers that are not spans."""


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
