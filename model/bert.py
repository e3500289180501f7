"""What networks of BERT's shape share: encoder blocks, attention, WordPiece tokens and padding."""

# b window · t token · h head · d feature

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import EncoderConfig
from model.weights_file import WEIGHTS

__all__ = ["PAD", "SEPARATOR", "START", "Layer", "attention", "stack", "vocabulary", "wordpieces"]

PAD, START, SEPARATOR = 0, 101, 102
"""[PAD], [CLS] and [SEP] of the WordPiece vocabulary."""


@lru_cache(maxsize=1)
def load_wordpiece(path: Path = WEIGHTS / "wordpiece.json") -> Tokenizer:
    """The uncased WordPiece tokenizer, without special tokens, padding or truncation."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def wordpieces(texts: Sequence[str]) -> list[Encoding]:
    """Ids and character offsets of each text."""
    return load_wordpiece().encode_batch(list(texts), add_special_tokens=False)


def vocabulary() -> list[str]:
    """The WordPieces: whole words, and parts of words that begin with ##."""
    return list(load_wordpiece().get_vocab())


def stack(rows: Sequence[Sequence[int]], fill: int, device: torch.device | None = None) -> Tensor:
    """Rows of unequal length as one int64 tensor [b, t]."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows], device=device)


class Layer(nn.Module):
    """Post-norm encoder block, as in BERT."""

    def __init__(self, config: EncoderConfig):
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
