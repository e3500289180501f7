"""The memorizer's neural memory: how keys and values become the weights that are stored, by any rule of ``titans/rules.py``.

A linear memory starts at zero, and what a rule then writes is a linear map of the values when keys and gates stand still. So the
map is made once a segment, and other values cost one small product. ``closed`` is where endless passes of the Titans rule
over the segment end (``ridge.py``); the other rules read the segment ``passes`` times. A deep memory starts at learned
weights, and what it learned beyond them is stored, in a learned unit for each layer. Its rows are those of the later layers,
then those of the first, so that the last rows stay empty when fewer are asked for.

Step sizes of the rules that read in chunks: 2 θ_t Σ_i |k_t · k_i| < 1 over the chunk's keys, times 1 − η with momentum. The
chunk's Gram matrix scaled by such θ has no eigenvalue above 1 (row sums bound them), so no segment makes the weights of a
linear memory blow up, and keys that do not crowd each other may be learned at once. The layers of a deep memory that has
learned values of size |v| have, when balanced, size |v|^(1/depth) each, and its curvature grows as the product of all but one,
squared, for every layer: θ is divided by depth · |v|^(2 − 2/depth).
"""

# b segment · t token · i other token of the same chunk · r row · k key feature · v value feature

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import MemoryConfig
from model.memorizer.ridge import normal_matrix, ridge, ridge_map
from model.titans.rules import learn
from model.titans.state import Gates, bounded_gates, empty_state, network

__all__ = ["AssociativeMemory", "Solver"]

LEAST_LEVERAGE = 0.05
"""Lower bound on how much a token's target moves its own read."""
DEEP_LEVERAGE = 0.5
"""The same for a deep memory, where it is not computed."""
LEAST_FORGETTING = 1e-2
"""Keeps the solution well conditioned in float32, whatever training makes of α."""
START = {"closed": [0.0, -1.0], "delta": [2.0, 0.0, 0.0], "titans": [2.0, -1.0, -5.0], "rwkv7": [2.0, -5.0]}
"""Gates before the sigmoid, at the start of training: θ and α of ``closed``; θ, η, α; θ and α of ``rwkv7``."""


@dataclass(frozen=True)
class Solver:
    """Segments with their keys and gates; computes the weights for any values."""

    memory: "AssociativeMemory"
    keys: Tensor  # [b, t, k]
    gates: Gates
    solve: Tensor | None  # [b, k, t], from values to weights; None for a deep memory
    leverage: Tensor  # [b, t, 1], what a token's value moves of its own read
    curvature: Tensor | None  # [b, k, k], of the squared error; None for a deep memory

    def weights(self, values: Tensor) -> Tensor:
        """The weights to store, [b, r, v], for ``values`` [b, t, v]."""
        return self.memory.learn(self.keys, values, self.gates) if self.solve is None else self.solve @ values

    def only(self, index: Tensor) -> "Solver":
        """The segments that ``index`` chooses."""
        solve = None if self.solve is None else self.solve[index]
        curvature = None if self.curvature is None else self.curvature[index]
        gates = Gates(*(gate[index] for gate in self.gates))
        return replace(self, keys=self.keys[index], gates=gates, solve=solve, leverage=self.leverage[index], curvature=curvature)


class AssociativeMemory(nn.Module):
    """Memories of one shape; keys are [b, t, k] of unit length, values [b, t, v]."""

    def __init__(self, config: MemoryConfig):
        super().__init__()
        self.config = config
        if config.depth > 1:
            sizes = [config.key, *[config.value] * config.depth]
            self.initial = nn.ParameterList(torch.randn(a, b) * a**-0.5 for a, b in pairwise(sizes))
            with torch.no_grad():
                self.initial[0].mul_(0.6 * config.key**0.5)  # unit keys make features of about unit length
                self.initial[-1].zero_()  # an empty memory says nothing
            self.unit = nn.Parameter(torch.full((config.depth,), 0.1))

    @property
    def start(self) -> Tensor:
        """Initial bias of the projection to gates, [g]."""
        raw = torch.tensor(START[self.config.rule])
        return raw.repeat_interleave(self.config.key) if self.config.rule == "rwkv7" else raw

    def gates(self, raw: Tensor, keys: Tensor, valid: Tensor) -> Gates:
        """Gates from unbounded numbers [b, t, g]. Tokens that are not ``valid`` [b, t] are not learned."""
        rule = self.config.rule
        counts = valid.to(raw.dtype)
        if rule == "closed":
            step, forget = torch.sigmoid(raw).unbind(-1)
            forget = (0.5 * forget * counts).sum(1) / counts.sum(1) + LEAST_FORGETTING
            return Gates(2 * step * counts, torch.zeros_like(step), forget)
        if rule == "rwkv7":
            step, forget = (torch.sigmoid(raw) * counts[..., None]).chunk(2, -1)
            return Gates(step, torch.zeros_like(counts), 0.1 * forget)
        gates = bounded_gates(raw, 1 / (2 * self.crowding(keys * counts[..., None])))
        step, momentum, forget = (gate * counts for gate in gates)
        if rule == "titans":
            step = step * (1 - momentum.amax(1, keepdim=True))
        return Gates(step, momentum, forget)

    def crowding(self, keys: Tensor) -> Tensor:
        """Σ_i |k_t · k_i| over the chunk of each token, [b, t], at least 1."""
        length, chunk = keys.shape[1], self.config.chunk
        chunks = F.pad(keys, (0, 0, 0, -length % chunk)).unflatten(1, (-1, chunk))
        return (chunks @ chunks.mT).abs().sum(-1).flatten(1)[:, :length].clamp_min(1)

    def learn(self, keys: Tensor, values: Tensor, gates: Gates) -> Tensor:
        """The weights to store, [b, r, v]; differentiable."""
        config = self.config
        if config.rule == "closed":
            return ridge(keys, values, gates.step, gates.forget)
        rule = replace(config.learning, value=values.shape[-1])
        initial = tuple(self.initial) if config.depth > 1 else None
        if config.depth > 1:
            size = values.norm(dim=-1).amax(1, keepdim=True).clamp_min(1)
            gates = gates._replace(step=gates.step / (config.depth * size ** (2 - 2 / config.depth)))
        state, _ = learn(rule, empty_state(rule, len(keys), initial, keys.device), keys, values, gates, passes=config.passes)
        if config.depth == 1:
            return state.weights[0]
        learned = [(new - old) / unit for new, old, unit in zip(state.weights, self.initial, self.unit, strict=True)]
        return torch.cat([*learned[1:], learned[0]], 1)

    def solver(self, keys: Tensor, raw: Tensor, valid: Tensor) -> Solver:
        """The solver for segments, which needs only their values. ``raw`` [b, t, g] are gates before the sigmoid."""
        gates = self.gates(raw, keys, valid)
        if self.config.depth > 1:
            return Solver(self, keys, gates, None, torch.full_like(keys[..., :1], DEEP_LEVERAGE), None)
        if self.config.rule == "closed":
            curvature = normal_matrix(keys, gates.step, gates.forget)
            solve = ridge_map(keys, gates.step, curvature)
        else:
            curvature = normal_matrix(keys, valid.to(keys.dtype), torch.full_like(keys[:, 0, 0], LEAST_FORGETTING))
            solve = self.learn(keys, torch.eye(keys.shape[1], device=keys.device).expand(len(keys), -1, -1), gates)
        leverage = (keys * solve.mT).sum(-1, keepdim=True).clamp_min(LEAST_LEVERAGE)
        return Solver(self, keys, gates, solve, leverage, curvature)

    def read(self, keys: Tensor, weights: Tensor) -> Tensor:
        """The values [b, t, v] that keys read from stored weights [b, r, v] (eq. 15)."""
        config = self.config
        if config.depth == 1:
            return keys @ weights
        *later, first = weights.split([*[config.value] * (config.depth - 1), config.key], 1)
        layers = [old + unit * new for old, unit, new in zip(self.initial, self.unit, [first, *later], strict=True)]
        return network(config.learning, lambda layer, x: x @ layers[layer], keys)
