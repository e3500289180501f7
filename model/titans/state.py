"""The parts of a neural memory: its state, its gates, its forward pass, and how heads are folded into the batch."""

# b segment (heads folded in) · t token · k key feature · v value feature

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from model.config import RuleConfig

__all__ = ["EPS", "Gates", "MemoryState", "bounded_gates", "empty_state", "fold_heads", "largest_step", "network", "read", "unfold_heads"]

EPS = 1e-3
"""Added to a mean square before its root; gradients through the norm grow by 1 / √EPS at most."""


class MemoryState(NamedTuple):
    """The complete state of a memory: ``weights`` of each layer [b, in, out], and ``carry``, which its rule passes from token to token.

    ``carry`` is the momentum S of each layer for ``titans``, the inverse curvature [b, k, k] for ``closed``, else nothing.
    """

    weights: tuple[Tensor, ...]
    carry: tuple[Tensor, ...]


class Gates(NamedTuple):
    """θ ≥ 0, 0 ≤ η < 1 and 0 ≤ α < 1 of every token, each [b, t]; for ``rwkv7`` θ and α are [b, t, k] and η is not used."""

    step: Tensor
    momentum: Tensor
    forget: Tensor


def bounded_gates(raw: Tensor, most: Tensor | float) -> Gates:
    """Gates [b, t] from unbounded numbers ``raw`` [b, t, 3]: θ < ``most``, a number or one per token [b, t], η < 0.95 and α < 0.1."""
    step, momentum, forget = torch.sigmoid(raw).unbind(-1)
    return Gates(most * step, 0.95 * momentum, 0.1 * forget)


def largest_step(config: RuleConfig) -> float:
    """The θ below which a linear memory stays bounded for any input, with the other ``bounded_gates``.

    1 / (2 chunk) for ``delta``, a twentieth of it for ``titans``: even if all keys of a chunk are equal, so that their gradients at the
    chunk's first weights add up, the step with all the momentum that follows from it does not overshoot the value. ``closed`` only weighs
    tokens by θ.
    """
    return {"titans": 0.05 / (2 * config.chunk), "delta": 1 / (2 * config.chunk), "closed": 2.0}[config.rule]


def empty_state(
    config: RuleConfig, batch: int, initial: tuple[Tensor, ...] | None = None, device: torch.device | None = None
) -> MemoryState:
    """Memories that have read nothing, with ``initial`` weights of each layer, [in, out] or for several heads [h, in, out].

    Without ``initial``, a linear memory starts at zero.
    """
    if initial is None:
        initial = (torch.zeros(config.key, config.value, device=device),)
    weights = tuple(w.expand(batch, *w.shape).flatten(0, -3) for w in initial)
    if config.rule == "titans":
        return MemoryState(weights, tuple(torch.zeros_like(w) for w in weights))
    if config.rule == "closed":
        eye = torch.eye(config.key, device=weights[0].device, dtype=weights[0].dtype) / config.regularisation
        return MemoryState(weights, (eye.expand(len(weights[0]), -1, -1),))
    return MemoryState(weights, ())


def network(config: RuleConfig, apply: Callable[[int, Tensor], Tensor], x: Tensor) -> Tensor:
    """The memory's forward pass for x [b, t, k]; ``apply`` multiplies with the weights of a layer."""
    y = x
    for layer in range(config.depth):
        y = apply(layer, F.silu(y) if layer else y)
    if config.norm:
        y = y * (y.square().mean(-1, keepdim=True) + EPS).rsqrt()
    return y + x if config.residual else y


def read(config: RuleConfig, weights: tuple[Tensor, ...], queries: Tensor) -> Tensor:
    """The reads [b, t, v] of queries [b, t, k], all from the same weights (eq. 15)."""
    return network(config, lambda layer, x: x @ weights[layer], queries)


def fold_heads(x: Tensor, heads: int) -> Tensor:
    """[b, t, heads · f] as [b · heads, t, f]: every head is a memory of its own."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2).flatten(0, 1)


def unfold_heads(x: Tensor, heads: int) -> Tensor:
    """The inverse of ``fold_heads``."""
    return x.unflatten(0, (-1, heads)).transpose(1, 2).flatten(2)
