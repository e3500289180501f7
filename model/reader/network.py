"""The reader's network: an MPNet-shaped encoder over [persistent ‖ question ‖ recitations], and scores of every answer span.

The trunk has the shape of all-mpnet-base-v2 (Song et al. 2020, arXiv 2004.09297: BERT with learned biases of relative position), from
whose weights training starts. Every pair of a first and a last token gets a score, and three answers that are no span
(nothing, yes, no) get one each from the persistent tokens, as in memory as context (Titans §4.1).
"""

# b window · t token · h head · d feature · p persistent token · k feature of a pairing

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.bert import PAD

__all__ = ["NO", "NOTHING", "YES", "ReaderConfig", "ReaderNetwork"]

NOTHING, YES, NO = 0, 1, 2
"""Persistent tokens that stand for the answers that are no span."""


@dataclass(frozen=True)
class ReaderConfig:
    """The defaults are all-mpnet-base-v2's shape."""

    vocabulary: int = 30_522  # WordPiece entries
    width: int = 768  # features of a token state
    layers: int = 12  # encoder blocks
    heads: int = 12  # attention heads of a block
    feedforward: int = 3_072  # hidden features of a block's feed-forward part
    positions: int = 512  # most tokens in one window, persistent tokens not counted
    buckets: int = 32  # of relative positions
    distance: int = 128  # tokens from which all distances are alike
    pairing: int = 64  # features by which first and last tokens of a span are matched
    persistent: int = 4  # learned tokens before every window; the first three mean nothing, yes and no

    def as_dict(self) -> dict:
        return asdict(self)


class Block(nn.Module):
    """Post-norm encoder block."""

    def __init__(self, config: ReaderConfig):
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)
        self.norm_attention = nn.LayerNorm(d, eps=1e-5)
        self.up = nn.Linear(d, config.feedforward)
        self.down = nn.Linear(config.feedforward, d)
        self.norm_feedforward = nn.LayerNorm(d, eps=1e-5)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2)
        x = self.norm_attention(x + self.out(attended))
        return self.norm_feedforward(x + self.down(F.gelu(self.up(x))))


def distance_buckets(length: int, buckets: int, distance: int) -> Tensor:
    """Bucket of each pair of tokens [t, t], as in T5 (Raffel et al. 2020): half for tokens behind, exact when near, then logarithmic."""
    places = torch.arange(length)
    away = places[:, None] - places[None, :]
    half, exact = buckets // 2, buckets // 4
    far = away.abs()
    large = exact + (torch.log(far.clamp_min(1).float() / exact) / math.log(distance / exact) * (half - exact)).long()
    return torch.where(far < exact, far, large.clamp_max(half - 1)) + (away < 0) * half


class ReaderNetwork(nn.Module):
    """Scores of answers in windows of token ids [b, t]: START, question, SEPARATOR, then pieces, each with a SEPARATOR, then ``PAD``."""

    def __init__(self, config: ReaderConfig):
        super().__init__()
        self.config = config
        d = config.width
        self.embedding = nn.Embedding(config.vocabulary, d)
        self.position = nn.Embedding(config.positions, d)
        self.norm = nn.LayerNorm(d, eps=1e-5)
        self.relative = nn.Embedding(config.buckets, config.heads)
        self.persistent = nn.Parameter(torch.zeros(config.persistent, d))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.span = nn.Linear(d, 2)
        self.first = nn.Linear(d, config.pairing)
        self.last = nn.Linear(d, config.pairing)
        self.special = nn.Linear(d, 1)

    @property
    def device(self) -> torch.device:
        return self.persistent.device

    def states(self, ids: Tensor) -> Tensor:
        """Token states [b, p + t, d]."""
        places = torch.arange(ids.shape[1], device=ids.device)
        tokens = self.embedding(ids) + self.position(places)
        x = self.norm(torch.cat([self.persistent.expand(len(ids), -1, -1), tokens], 1))
        buckets = distance_buckets(x.shape[1], self.config.buckets, self.config.distance).to(ids.device)
        valid = F.pad(ids != PAD, (self.config.persistent, 0), value=True)
        bias = self.relative(buckets).permute(2, 0, 1)[None].masked_fill(~valid[:, None, None, :], -1e4)
        for block in self.blocks:
            x = block(x, bias)
        return x

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of spans by first and last token, float32 [b, t, t], and of nothing, yes and no, float32 [b, 3]."""
        x = self.states(ids)
        special = self.special(x[:, : NO + 1])[..., 0].float()
        x = x[:, self.config.persistent :]
        start, end = self.span(x).float().unbind(-1)
        matched = (self.first(x) @ self.last(x).mT).float() * self.config.pairing**-0.5
        return start[:, :, None] + end[:, None, :] + matched, special
