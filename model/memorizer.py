"""The memorizer: a Titans language model (memory as gate) that writes a segment into a memory and recites it.

The short-term core, causal attention over the last few tokens, *expects* the next token. The neural memory, keyed by the
short-term context, gives the *remembered correction*. The value stored for a token is what the core failed to expect, so
text that the model can already predict costs little memory.

    expected h_t = core(tokens before t)                      short-term memory
    key      k_t = conv(W_K E[tokens before t]) + W_H h_t + position_t, unit length     §4.4
    value    v_t = W_V (E[x_t] − h_t)                         surprise
    recited  x_t = argmax scale · (h_t + U k_t M) Eᵀ + bias
"""

# b segment · t token · d model feature · k key feature · v value feature · n vocabulary

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import MemorizerConfig
from model.memory import Gates, MemoryState, dequantise, quantise, read_stream, rehearse
from model.runtime import bfloat16_is_faster
from model.weights_file import WEIGHTS, load_network

__all__ = ["Memorizer", "Written", "load_memorizer"]

BOOST = 2.5
"""Factor on the write strength θ of a token that came back wrong."""
PUSH = 0.5
"""Share of a wrong token's remaining error, and of the gradient against the winning token, added to its target."""
LEAST_FORGETTING = 1e-4
"""Keeps the rehearsal of segments shorter than a key well conditioned in float32; training alone drives α to nothing."""
ROWS = 256
"""Tokens whose scores over the whole vocabulary are held at once (32 MiB in float32)."""


class Block(nn.Module):
    """Pre-norm attention and feed-forward part of the short-term core."""

    def __init__(self, config: MemorizerConfig):
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.norm_feedforward = nn.LayerNorm(d)
        self.up = nn.Linear(d, 3 * d)
        self.down = nn.Linear(3 * d, d)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [b, heads, t, d/heads]."""
        q, k, v = self.qkv(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.silu(self.up(self.norm_feedforward(x))))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.finish(x, F.scaled_dot_product_attention(*self.project(x), attn_mask=mask))


class Written(NamedTuple):
    """Memories as they are stored, and which of them recite their segment exactly."""

    integers: Tensor  # int8 [b, k, v]
    scales: Tensor  # float16 [b, v]
    exact: Tensor  # bool [b]


class Memorizer(nn.Module):
    """See the module's docstring. Inputs are token ids [b, t], t ≤ ``config.segment``."""

    def __init__(self, config: MemorizerConfig):
        super().__init__()
        self.config = config
        d, memory = config.width, config.memory
        self.embedding = nn.Embedding(config.vocabulary, d)
        self.start = nn.Parameter(torch.randn(d) * d**-0.5)
        self.position = nn.Parameter(torch.randn(config.segment, d) * 0.02)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(d)
        self.key_of_token = nn.Linear(d, memory.key, bias=False)
        taps = torch.tensor([0.8**j for j in range(config.convolution)])[:, None]
        self.key_convolution = nn.Parameter(taps * torch.randn(config.convolution, memory.key).sign())
        self.key_of_state = nn.Linear(d, memory.key, bias=False)
        self.key_position = nn.Parameter(torch.randn(config.segment, memory.key) * memory.key**-0.5 * 0.5)
        self.value_of = nn.Linear(d, memory.value, bias=False)
        self.correction = nn.Linear(memory.value, d, bias=False)
        self.gates = nn.Linear(2 * d, 3)
        self.reading_step = nn.Parameter(torch.tensor(-1.5))
        self.forget_scale = nn.Parameter(torch.tensor(0.0))
        self.scale = nn.Parameter(torch.tensor(8.0))
        self.expectation_scale = nn.Parameter(torch.tensor(8.0))
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))
        nn.init.normal_(self.embedding.weight, std=d**-0.5)
        nn.init.normal_(self.key_of_state.weight, std=0.02)
        nn.init.zeros_(self.gates.weight)
        with torch.no_grad():  # gates start at θ = 1, η = 0.5, α = 0.0018
            self.gates.bias.copy_(torch.tensor([0.0, 0.0, -4.0]))

    def expectation(self, states: Tensor) -> Tensor:
        return self.norm(states) * (3 * self.config.width**-0.5)

    def context(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Expected embedding h [b, t, d] and memory key [b, t, k] at each token, from the tokens before it alone."""
        length = tokens.shape[1]
        start = self.start.expand(len(tokens), self.config.convolution, -1)
        before = torch.cat([start, self.embedding(tokens[:, :-1])], 1)[:, : length + self.config.convolution - 1]
        states = before[:, self.config.convolution - 1 :] + self.position[:length]
        age = torch.arange(length, device=tokens.device)
        age = age[:, None] - age[None, :]
        mask = (age >= 0) & (age < self.config.window)
        for block in self.blocks:
            states = block(states, mask)
        expected = self.expectation(states)
        return expected, self.keys(before, expected, self.key_position[:length])

    def keys(self, before: Tensor, expected: Tensor, position: Tensor) -> Tensor:
        """Unit keys [b, t, k] of the last t places, from embeddings [b, t + convolution − 1, d] of the tokens before."""
        length = expected.shape[1]
        projected = self.key_of_token(before)
        last = self.config.convolution - 1
        mixed = sum(projected[:, last - j : last - j + length] * self.key_convolution[j] for j in range(last + 1))
        return F.normalize(mixed + position + self.key_of_state(expected), dim=-1)

    def surprise(self, tokens: Tensor, expected: Tensor) -> tuple[Tensor, Gates]:
        """Values [b, t, v] to be stored and the gates θ ∈ (0, 2), η ∈ (0, 1), α ∈ (0, 0.1) of each token."""
        target = self.embedding(tokens)
        step, momentum, forget = torch.sigmoid(self.gates(torch.cat([expected, target], -1))).float().unbind(-1)
        return self.value_of(target - expected).float(), Gates(2 * step, momentum, 0.1 * forget)

    def reading(self, gates: Gates) -> Gates:
        """The gates of the first reading: the write strengths at the reading's own, smaller step."""
        return gates._replace(step=gates.step * torch.sigmoid(self.reading_step))

    def ridge(self, gates: Gates, lengths: Tensor | None = None) -> Tensor:
        """Forgetting [b] of a whole segment's rehearsal: its tokens' mean, scaled; α of padding is 0."""
        count = gates.forget.shape[1] if lengths is None else lengths
        return gates.forget.sum(1) / count * self.forget_scale.exp() * 10 + LEAST_FORGETTING

    @torch.inference_mode()
    def write(self, tokens: Tensor, lengths: Tensor) -> Written:
        """Memories of segments ``tokens`` [b, t], of which ``lengths`` [b] count; the rest is padding of any id.

        Each segment is read once and rehearsed; what the rounded weights then recite wrong, or right by less than the
        margin, is rehearsed again with a larger step and a target further from the token that won, until all is right
        or ``rounds`` are over. Teacher-forced exactness is exactness: if each token follows from the right ones before
        it, then reciting from nothing gives them all.
        """
        valid = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        expected, keys = self.context(tokens)
        values, gates = self.surprise(tokens, expected)
        gates = Gates(gates.step * valid, gates.momentum.masked_fill(~valid, 1e-6), gates.forget * valid)
        memory = self.config.memory
        state = MemoryState.empty(len(tokens), memory.key, memory.value, tokens.device)
        weights = read_stream(state, keys, values, self.reading(gates), memory.chunk)[0].weights
        forget, step, target = self.ridge(gates, lengths), gates.step, values
        integers = torch.zeros(weights.shape, dtype=torch.int8, device=tokens.device)
        scales = torch.zeros(weights[:, 0].shape, dtype=torch.float16, device=tokens.device)
        left = torch.arange(len(tokens), device=tokens.device)
        table = self.scored_table()
        for _ in range(memory.rounds + 1):
            weights = rehearse(weights, keys, target, step, forget, memory.passes)
            integers[left], scales[left] = quantise(weights, memory.bits)
            reads = keys @ dequantise(integers[left], scales[left])
            lead, rival = self.lead(tokens, expected, reads, table)
            wrong = ~(lead >= memory.margin) & valid  # so that NaN is wrong
            again = wrong.any(1)
            if not again.any():
                left = left[again]
                break
            away = (self.embedding(tokens) - self.embedding(rival)) @ self.correction.weight
            pushed = target + PUSH * (values - reads + values.norm(dim=-1, keepdim=True) * F.normalize(away, dim=-1) * 0.2)
            target = torch.where(wrong[..., None], pushed, target)[again]
            step = torch.where(wrong, step * BOOST, step)[again]
            tokens, valid, expected, keys, values = tokens[again], valid[again], expected[again], keys[again], values[again]
            weights, forget, left = weights[again], forget[again], left[again]
        exact = torch.ones(len(integers), dtype=torch.bool, device=integers.device)
        exact[left] = False
        return Written(integers, scales, exact)

    def lead(self, tokens: Tensor, expected: Tensor, reads: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """By how much each right token [b, t] beats the best other one, and that other one [b, t].

        Where bfloat16 is faster it screens: a lead that its rounding could not have made is taken as it is, any other is
        computed again in float32.
        """
        states, index = self.scored_states(expected, reads).flatten(0, -2), tokens.flatten()
        right = (states * table[index]).sum(-1)
        if not bfloat16_is_faster(tokens.device):
            best, rival = self.rivals(states, table, index)
            return (right - best).view_as(tokens), rival.view_as(tokens)
        best, rival = self.rivals(states.bfloat16(), table.bfloat16(), index)
        doubt = states.norm(dim=-1) * table.norm(dim=-1).max() * 2**-7  # bounds three roundings of half a unit each
        unsure = right - best.float() < self.config.memory.margin + doubt
        lead = right - best.float()
        if unsure.any():
            best, rival[unsure] = self.rivals(states[unsure], table, index[unsure])
            lead[unsure] = right[unsure] - best
        return lead.view_as(tokens), rival.view_as(tokens)

    def scored_states(self, expected: Tensor, read: Tensor) -> Tensor:
        """What a token's row of ``scored_table`` is multiplied with, [..., d + 1]; the last feature carries the bias."""
        return F.pad((expected + self.correction(read)) * self.scale, (0, 1), value=1.0)

    def scored_table(self, candidates: Tensor | slice = slice(None)) -> Tensor:
        """Embeddings and biases of ``candidates`` or the whole vocabulary, [n, d + 1]."""
        return torch.cat([self.embedding.weight[candidates], self.bias[candidates, None]], 1)

    def rivals(self, states: Tensor, table: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Score and id of the best token but ``index`` [r], for states [r, d + 1]; ``ROWS`` at a time."""
        best, rival = states.new_empty(len(states)), torch.empty_like(index)
        for first in range(0, len(states), ROWS):
            part = slice(first, first + ROWS)
            scores = states[part] @ table.mT
            scores[torch.arange(len(scores), device=scores.device), index[part]] = -torch.inf
            best[part], rival[part] = scores.max(1)
        return best, rival

    @torch.inference_mode()
    def recite(self, weights: Tensor, length: int) -> Tensor:
        """Token ids [b, ``length``] read back from memories [b, k, v] with no text in hand."""
        count, window = len(weights), self.config.window
        before = self.start.expand(count, self.config.convolution, -1)
        caches: list[tuple[Tensor, Tensor] | None] = [None] * len(self.blocks)
        recited, table = [], self.scored_table()
        blocks = [block for block in self.blocks if isinstance(block, Block)]
        for t in range(length):
            states = before[:, -1:] + self.position[t]
            for i, block in enumerate(blocks):
                query, key, value = block.project(states)
                if (cache := caches[i]) is not None:
                    key = torch.cat([cache[0], key], 2)[:, :, -window:]
                    value = torch.cat([cache[1], value], 2)[:, :, -window:]
                caches[i] = key, value
                states = block.finish(states, F.scaled_dot_product_attention(query, key, value))
            expected = self.expectation(states)
            keys = self.keys(before, expected, self.key_position[t : t + 1])
            token = (self.scored_states(expected, keys @ weights) @ table.mT).argmax(-1)
            before = torch.cat([before[:, 1:], self.embedding(token)], 1)
            recited.append(token)
        return torch.cat(recited, 1) if recited else torch.empty(count, 0, dtype=torch.long, device=weights.device)


def load_memorizer(device: torch.device) -> Memorizer:
    """The memorizer with its shipped weights. Raises WeightsError."""
    return load_network(WEIGHTS / "memorizer.safetensors", lambda config: Memorizer(MemorizerConfig.from_dict(config)), device)
