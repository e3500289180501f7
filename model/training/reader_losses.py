"""The reader's loss: one softmax over the answers of all windows of a question."""

# w window · t token · g question · s span

import torch
from torch import Tensor

from model.bert import PAD, SEPARATOR, START
from model.reader.network import NO, NOTHING, YES, ReaderNetwork
from model.reader.spans import LONGEST_ANSWER
from model.training.reader_data import Kind
from model.training.reader_windows import Batch

__all__ = ["ABSURD", "grouped_logsumexp", "reading_loss", "span_mask"]

ABSURD = 6.0
"""Nats above which a noisy example's loss is not counted."""
IMPOSSIBLE = -1e9
"""Score of an answer that cannot be; finite, because a softmax over infinite scores alone has no gradient."""


def pieces_of(ids: Tensor) -> Tensor:
    """Number of each token's piece [w, t], from 1 behind the question; −1 for the question and for what is no text."""
    ends = ids == SEPARATOR
    number = ends.long().cumsum(1)
    return number.masked_fill(ends | (ids == START) | (ids == PAD) | (number == 0), -1)


def span_mask(ids: Tensor) -> Tensor:
    """Which spans may be answers, bool [w, t, t] by first and last token: inside a piece, not longer than answers are."""
    piece, size = pieces_of(ids), ids.shape[1]
    band = torch.ones(size, size, dtype=torch.bool, device=ids.device).triu().tril(LONGEST_ANSWER)
    return band & (piece[:, :, None] == piece[:, None, :]) & (piece >= 0)[:, :, None]


def reading_loss(network: ReaderNetwork, batch: Batch, truncate: bool) -> tuple[Tensor, Tensor]:
    """Mean of minus the log-probabilities of the answers, and the losses of all questions [g], without gradient.

    Shared normalisation (Clark and Gardner 2018, arXiv 1710.10723): the scores of a question's answers in all its windows, less
    those of nothing in each, and 0 for nothing, share one softmax. With ``truncate``, noisy questions whose loss is above ``ABSURD``
    count as 0 (Kang and Hashimoto 2020, arXiv 2004.14589: loss truncation).
    """
    pairs, special = network(batch.ids)
    nothing = special[:, NOTHING]
    pairs = (pairs - nothing[:, None, None]).masked_fill(~span_mask(batch.ids), IMPOSSIBLE)
    said = special[:, YES : NO + 1] - nothing[:, None]
    totals = torch.cat([pairs.flatten(1), said], 1).logsumexp(1)
    count = len(batch.kinds)
    each = torch.arange(count, device=totals.device)
    total = grouped_logsumexp(torch.cat([totals, totals.new_zeros(count)]), torch.cat([batch.owner, each]), count)
    question, window, first, last = batch.spans.unbind(1)
    right = grouped_logsumexp(pairs[window, first, last], question, count)
    for column, kind in enumerate((Kind.YES, Kind.NO)):
        right = torch.where(batch.kinds == kind, grouped_logsumexp(said[:, column], batch.owner, count), right)
    right = torch.where(batch.kinds == Kind.NOTHING, torch.zeros_like(right), right)
    losses = total - right
    counted = ~(batch.noisy & (losses > ABSURD)) if truncate else torch.ones_like(batch.noisy)
    return (losses * counted).sum() / count, losses.detach()


def grouped_logsumexp(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Log of the sum of exponentials of the values [n] of each owner [n]: float32 [count]; very small where there is none."""
    top = torch.full((count,), IMPOSSIBLE, device=values.device).scatter_reduce(0, owner, values.detach(), "amax")
    sums = torch.zeros(count, device=values.device).index_add(0, owner, (values - top[owner]).exp())
    return sums.clamp_min(1e-30).log() + top
