"""The core: a small bidirectional encoder that makes gists and reads answers out of recitations.

The trunk has the shape of all-MiniLM-L6-v2 (BERT, 6 layers, 384 features), from whose weights training starts.

- *gist*: mean token state of a sentence, the states having seen the whole passage, condensed; unit length. Questions likewise.
- *answer*, memory as context (Titans §4.1): attention over [persistent tokens ‖ recitations in stream order ‖ question].
  Start and end scores point at a recited token, or both at the first, second or third persistent token:
  nothing, yes, no. One softmax covers them all.
"""

# b window · t token · h head · d feature · p persistent token · s sentence · g feature of a gist

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import CoreConfig
from model.weights_file import WEIGHTS, load_network

__all__ = ["NO", "NOTHING", "PAD", "SEPARATOR", "START", "YES", "Core", "load_core", "stack", "wordpieces"]

NOTHING, YES, NO = 0, 1, 2
"""Persistent tokens that stand for the answers that are no span."""

PAD, START, SEPARATOR = 0, 101, 102
"""[PAD], [CLS] and [SEP] of the WordPiece vocabulary."""


@lru_cache(maxsize=1)
def load_wordpiece(path: Path = WEIGHTS / "wordpiece.json") -> Tokenizer:
    """The core's uncased WordPiece tokenizer, without special tokens, padding or truncation."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def wordpieces(texts: Sequence[str]) -> list[Encoding]:
    """Ids and character offsets of each text."""
    return load_wordpiece().encode_batch(list(texts), add_special_tokens=False)


def stack(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """Rows of unequal length as one int64 tensor [b, t]."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])


class Layer(nn.Module):
    """Post-norm encoder block, as in BERT."""

    def __init__(self, config: CoreConfig):
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)
        self.norm_attention = nn.LayerNorm(d, eps=1e-12)
        self.up = nn.Linear(d, config.feedforward)
        self.down = nn.Linear(config.feedforward, d)
        self.norm_feedforward = nn.LayerNorm(d, eps=1e-12)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        attended = attention(q, k, v, mask).transpose(1, 2).flatten(2)
        x = self.norm_attention(x + self.out(attended))
        return self.norm_feedforward(x + self.down(F.gelu(self.up(x))))


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Softmax attention [b, h, t, d] over the tokens that ``mask`` [b, 1, 1, t] allows.

    On CPUs with windows this short two plain products are twice as fast as the fused kernel, and three times with gradients.
    """
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    heads = q.shape[1]
    bias = torch.where(mask[:, 0], 0.0, -1e4).to(q.dtype).repeat_interleave(heads, 0)
    scores = torch.baddbmm(bias, q.flatten(0, 1), k.flatten(0, 1).mT, alpha=q.shape[-1] ** -0.5)
    return (scores.softmax(-1).to(v.dtype) @ v.flatten(0, 1)).unflatten(0, (-1, heads))


class Core(nn.Module):
    """See the module's docstring. Token ids are [b, t] with ``PAD`` at the end of short rows."""

    def __init__(self, config: CoreConfig):
        super().__init__()
        self.config = config
        d = config.width
        self.embedding = nn.Embedding(config.vocabulary, d)
        self.position = nn.Embedding(config.positions, d)
        self.kind = nn.Embedding(2, d)  # 0 recitation or plain text, 1 question of a reading
        self.norm = nn.LayerNorm(d, eps=1e-12)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.persistent = nn.Parameter(torch.randn(config.persistent, d) * 0.5)
        self.span = nn.Linear(d, 2, bias=False)
        nn.init.normal_(self.span.weight, std=0.02)
        self.condense = nn.Linear(d, config.gist, bias=False)

    def run(self, x: Tensor, valid: Tensor) -> Tensor:
        mask = valid[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        return x

    def embed(self, ids: Tensor, kinds: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.norm(self.embedding(ids) + self.position(places) + self.kind(kinds))

    def states(self, ids: Tensor) -> Tensor:
        """Token states [b, t, d] of plain text."""
        return self.run(self.embed(ids, torch.zeros_like(ids)), ids != PAD)

    def gists(self, ids: Tensor, belongs: Tensor, count: int) -> Tensor:
        """Unit gists [s, g] of ``count`` sentences: their condensed mean states; see ``means``."""
        return F.normalize(self.condense(self.means(ids, belongs, count)).float(), dim=-1)

    def means(self, ids: Tensor, belongs: Tensor, count: int) -> Tensor:
        """Unit mean states [s, d] of ``count`` sentences; ``belongs`` [b, t] numbers each token's sentence, −1 for none.

        A sentence without a token gets zeros.
        """
        states = self.states(ids).float()
        chosen = belongs >= 0
        number = belongs[chosen]
        sums = states.new_zeros(count, states.shape[-1]).index_add_(0, number, states[chosen])
        return F.normalize(sums, dim=-1)

    def read(self, ids: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Start and end scores, each [b, p + t], of windows of recitations (kind 0) and question (kind 1).

        Only recited tokens and the first three persistent tokens can be pointed at; all else is −inf.
        """
        count = self.config.persistent
        persistent = self.norm(self.persistent).expand(len(ids), -1, -1)
        x = torch.cat([persistent, self.embed(ids, kinds)], 1)
        valid = F.pad(ids != PAD, (count, 0), value=True)
        scores = self.span(self.run(x, valid)).float()
        special = (ids == PAD) | (ids == START) | (ids == SEPARATOR)
        allowed = F.pad((kinds == 0) & ~special, (count, 0), value=False)
        allowed[:, : NO + 1] = True
        start, end = scores.masked_fill(~allowed[..., None], -torch.inf).unbind(-1)
        return start, end


def load_core(device: torch.device, folder: Path = WEIGHTS) -> Core:
    """The core with the weights in ``folder``, the shipped ones by default. Raises WeightsError."""
    return load_network(folder / "core.safetensors", lambda config: Core(CoreConfig(**config)), device)
