"""Titans blocks: the neural memory alone, or joined to attention in one of three ways (arXiv 2501.00663, §4).

    lmm   x + M(x)                                                          memory alone
    mal   x' = x + M(x), then x' + attention(x')                            memory as a layer, eqs. 29–31
    mag   x + attention(x) ⊗ σ(norm M(x))                                   memory as a gate, eqs. 26–28
    mac   h = M(x) before the segment, y = attention([persistent ‖ h ‖ x]), M learns y, x + y ⊗ σ(norm M(y))
                                                                            memory as context, eqs. 21–25

Attention sees learned persistent tokens and the last ``window`` tokens, with a learned bias for each distance. With mac a
segment has ``window`` tokens and attention sees the segment so far; a token sees only those retrieved h that stand at or
before it. Deviations: the gate's nonlinearity is a sigmoid of the normalised read; every joining has a residual; persistent
tokens reach attention only; with mac the queries before a segment are convolved over the last y of the segment before.
"""

# b sequence · t token · d feature · h attention head · s seen token

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import BlockConfig
from model.titans.layer import LayerState, NeuralMemory

__all__ = ["BlockState", "TitansBlock"]


class BlockState(NamedTuple):
    """The state of a block between calls: its memory's state (with mac, at the last segment's end) and tokens [b, s, d] to keep.

    The tokens are the window before the next token or, with mac, those of the unfinished segment.
    """

    memory: LayerState
    recent: Tensor


class Attention(nn.Module):
    """Attention with persistent tokens and a bias for each distance."""

    def __init__(self, config: BlockConfig):
        super().__init__()
        d = config.width
        self.config = config
        self.query = nn.Linear(d, d, bias=False)
        self.key_value = nn.Linear(d, 2 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.persistent = nn.Parameter(torch.randn(2, config.heads, config.persistent, d // config.heads) * 0.5)
        self.distance = nn.Parameter(torch.zeros(config.heads, config.window))

    def forward(self, x: Tensor, seen: Tensor, context: Tensor | None = None) -> Tensor:
        """Tokens x [b, t, d] look at ``seen`` [b, s, d], whose last are x, and at ``context`` [b, s, d]."""
        heads = self.config.heads
        query = self.split(self.query(x))
        sources = [seen] if context is None else [context, seen]
        at = torch.arange(seen.shape[1], device=x.device)
        age = at[seen.shape[1] - x.shape[1] :, None] - at[None, :]
        visible = (age >= 0) & (age < self.config.window)
        bias = self.distance[:, age.clamp(0, self.config.window - 1)].masked_fill(~visible, -torch.inf)
        bias = F.pad(torch.cat([bias] * len(sources), -1), (self.config.persistent, 0))
        key, value = self.key_value(torch.cat(sources, 1)).chunk(2, -1)
        persistent = self.persistent.to(x.dtype).unsqueeze(1).expand(-1, len(x), -1, -1, -1)
        keys, values = torch.cat([persistent[0], self.split(key)], 2), torch.cat([persistent[1], self.split(value)], 2)
        attended = F.scaled_dot_product_attention(query, keys, values, attn_mask=bias.expand(len(x), heads, -1, -1))
        return self.out(attended.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.config.heads, -1)).transpose(1, 2)


class TitansBlock(nn.Module):
    """Tokens [b, t, d] in and out; a later token changes no earlier output, and split anywhere equals whole."""

    def __init__(self, config: BlockConfig):
        super().__init__()
        self.config = config
        self.norm = nn.LayerNorm(config.width)
        self.memory = NeuralMemory(config)
        if config.joining != "lmm":
            self.attention = Attention(config)
            self.second_norm = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, state: BlockState | None = None) -> tuple[Tensor, BlockState]:
        """Outputs for x, and the state from which the next tokens continue."""
        state = BlockState(self.memory.start(x), x[:, :0]) if state is None else state
        join = {"lmm": self.alone, "mal": self.as_layer, "mag": self.as_gate, "mac": self.as_context}[self.config.joining]
        return join(x, state)

    def alone(self, x: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        read, memory = self.memory(self.norm(x), state.memory)
        return x + read, BlockState(memory, x[:, :0])

    def as_layer(self, x: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        read, memory = self.memory(self.norm(x), state.memory)
        x = x + read
        attended, recent = self.attend(self.second_norm(x), state.recent)
        return x + attended, BlockState(memory, recent)

    def as_gate(self, x: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        normed = self.norm(x)
        read, memory = self.memory(normed, state.memory)
        attended, recent = self.attend(normed, state.recent)
        return x + attended * torch.sigmoid(self.second_norm(read)), BlockState(memory, recent)

    def attend(self, x: Tensor, recent: Tensor) -> tuple[Tensor, Tensor]:
        """Sliding-window attention of x after ``recent``, and the tokens that the next call will see."""
        seen = torch.cat([recent, x], 1)
        attended = self.attention(x, seen) if x.shape[1] else x
        kept = min(seen.shape[1], self.config.window - 1)
        return attended, seen[:, seen.shape[1] - kept :]

    def as_context(self, x: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        """Memory as context. The unfinished segment is read again with the new tokens; only whole segments change the state."""
        new, x = x.shape[1], torch.cat([state.recent, x], 1)
        outputs = [x[:, :0]]
        memory = state.memory
        for start in range(0, x.shape[1], self.config.window):
            segment = x[:, start : start + self.config.window]
            output, after = self.segment(segment, memory)
            outputs.append(output)
            if segment.shape[1] == self.config.window:
                memory = after
        rest = x.shape[1] - x.shape[1] % self.config.window
        return torch.cat(outputs, 1)[:, x.shape[1] - new :], BlockState(memory, x[:, rest:])

    def segment(self, x: Tensor, memory: LayerState) -> tuple[Tensor, LayerState]:
        normed = self.norm(x)
        y = self.attention(normed, normed, self.memory.recall(normed, memory))
        read, memory = self.memory(y, memory)
        return x + y * torch.sigmoid(self.second_norm(read)), memory
