"""The Titans memory rule for a linear memory, batched over segments.

Titans: Learning to Memorize at Test Time, arXiv 2501.00663. Symbols:

    M → weights   S → momentum (the surprise)   θ → gates.step   η → gates.momentum   α → gates.forget
    ℓ(M; k, v) = ‖k M − v‖²                     eq. 12
    S_t = η_t S_{t−1} − θ_t ∇ℓ                  eq. 10
    M_t = (1 − α_t) M_{t−1} + S_t               eq. 13

Two ways of writing stand here, the same rule at two paces:

- ``read_stream`` reads a segment once, token by token in effect: inside a chunk all gradients are taken at the chunk's
  first weights (eq. 16), and the recurrences are solved in closed form (the dual form) as masked matrix products.
- ``rehearse`` goes over the whole segment again and again: one pass is one step of eqs. 10 and 13 on the sum of the
  segment's losses. θ and η of a pass are those that minimise the loss along the surprise, which makes momentum descent
  the method of conjugate gradients (Bhaya and Kaszkurewicz 2004); α enters as the pull of forgetting towards zero.
  ``fixed_point`` is where the passes end; meta-training differentiates through it.

Deviation from the paper: the memory is one linear map, reads are k M, and the rehearsal passes. State is float32 always.
"""

# b segment · t token · i earlier token of the same chunk · k key feature · v value feature

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Gates", "MemoryState", "dequantise", "fixed_point", "pack", "quantise", "read_stream", "rehearse", "unpack"]


class MemoryState(NamedTuple):
    """Everything that a memory is: float32 ``weights`` M and ``momentum`` S, both [b, k, v]."""

    weights: Tensor
    momentum: Tensor

    @classmethod
    def empty(cls, batch: int, key: int, value: int, device: torch.device | None = None) -> "MemoryState":
        """A memory of ``batch`` segments that holds nothing."""
        zero = torch.zeros(batch, key, value, device=device)
        return cls(zero, zero)


class Gates(NamedTuple):
    """Data-dependent gates of every token, each [b, t]: θ ≥ 0, 0 < η < 1, 0 ≤ α < 1."""

    step: Tensor
    momentum: Tensor
    forget: Tensor


def decay_products(rates: Tensor) -> tuple[Tensor, Tensor]:
    """Products of ``rates`` [b, t] over every span: ([b, t, i] of Π_{i<j≤t}, [b, t] of Π_{j≤t}), by log-cumulative sums."""
    logs = rates.log().cumsum(-1)
    later = torch.ones(rates.shape[-1], rates.shape[-1], dtype=torch.bool, device=rates.device).triu(1)
    spans = (logs[:, :, None] - logs[:, None, :]).masked_fill(later, -torch.inf)
    return spans.exp(), logs.exp()


def read_chunk(state: MemoryState, keys: Tensor, values: Tensor, gates: Gates) -> tuple[MemoryState, Tensor]:
    """Learn one chunk (eqs. 10, 13 and 16) and read each key right after its own update (eq. 15)."""
    weights, momentum = state
    error = 2 * (keys @ weights - values)
    kept, kept_all = decay_products(1 - gates.forget)
    carried, carried_all = decay_products(gates.momentum)
    coefficient = (kept @ carried) * gates.step[:, None, :]
    old_surprise = (kept @ carried_all[:, :, None])[..., 0]
    reads = kept_all[..., None] * (keys @ weights) + old_surprise[..., None] * (keys @ momentum) - (coefficient * (keys @ keys.mT)) @ error
    last = coefficient[:, -1, :, None]
    surprise = (carried[:, -1] * gates.step)[..., None]
    after = MemoryState(
        kept_all[:, -1, None, None] * weights + old_surprise[:, -1, None, None] * momentum - keys.mT @ (last * error),
        carried_all[:, -1, None, None] * momentum - keys.mT @ (surprise * error),
    )
    return after, reads


def read_stream(state: MemoryState, keys: Tensor, values: Tensor, gates: Gates, chunk: int) -> tuple[MemoryState, Tensor]:
    """Read a segment of any length once. Titans eqs. 10, 12, 13, 15, 16 in dual form.

    Keys are [b, t, k] with unit norm, values [b, t, v], gates [b, t]. Returns the new state and what each key reads right
    after its own update [b, t, v]; a later token changes no earlier read. Memory O(chunk² + k·v) a segment.
    """
    reads = [values[:, :0]]
    for start in range(0, keys.shape[1], chunk):
        part = slice(start, start + chunk)
        state, read = read_chunk(state, keys[:, part], values[:, part], Gates(*(gate[:, part] for gate in gates)))
        reads.append(read)
    return state, torch.cat(reads, 1)


def normal_matrix(keys: Tensor, step: Tensor, forget: Tensor) -> Tensor:
    """Curvature Σ_t θ_t k_t k_tᵀ + α I of the rehearsed loss, [b, k, k]."""
    eye = torch.eye(keys.shape[-1], device=keys.device, dtype=keys.dtype)
    return (keys * step[..., None]).mT @ keys + forget[:, None, None] * eye


def rehearse(weights: Tensor, keys: Tensor, values: Tensor, step: Tensor, forget: Tensor, passes: int) -> Tensor:
    """Momentum passes over whole segments from ``weights`` [b, k, v] on; returns the new weights.

    Minimises ½ Σ_t θ_t ‖k_t M − v_t‖² + ½ α ‖M‖² with θ = ``step`` [b, t] and α = ``forget`` [b]. Each pass is
    S ← η S − θ' ∇, M ← M + S, where ∇ holds the forgetting, and the pass's own θ' and η are found by exact line search,
    one pair for each value feature. A pass costs O(k² v), whatever the segment's length.
    """
    curvature = normal_matrix(keys, step, forget)
    descent = (keys * step[..., None]).mT @ values - curvature @ weights  # minus the gradient
    direction = descent
    norm = (descent * descent).sum(1, keepdim=True)
    unit = torch.finfo(weights.dtype).eps
    rest = norm * unit**2
    flat = curvature.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] * unit
    for _ in range(passes):
        curved = curvature @ direction
        bend = (direction * curved).sum(1, keepdim=True)
        # A column that has arrived stays, and none goes where the loss is flat: what is left of the gradient is rounding.
        going = (norm > rest) & (bend > flat * (direction * direction).sum(1, keepdim=True))
        rate = torch.where(going, norm / bend.masked_fill(~going, 1), 0)
        weights = weights + rate * direction
        descent = descent - rate * curved
        before, norm = norm, (descent * descent).sum(1, keepdim=True)
        direction = descent + torch.where(going, norm / before.masked_fill(~going, 1), 0) * direction
    return weights


def fixed_point(keys: Tensor, values: Tensor, step: Tensor, forget: Tensor) -> Tensor:
    """Where ``rehearse`` ends: the weights [b, k, v] at which surprise and forgetting balance (weighted ridge regression)."""
    return torch.linalg.solve(normal_matrix(keys, step, forget), (keys * step[..., None]).mT @ values)


def quantise(weights: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Round [b, k, v] to integers of ``bits`` bits with one float16 scale a column: (int8 [b, k, v], float16 [b, v])."""
    top = 2 ** (bits - 1) - 1
    scales = (weights.abs().amax(1) / top).clamp_min(1e-6).half()
    return (weights / scales.float()[:, None]).round().clamp(-top, top).to(torch.int8), scales


def dequantise(integers: Tensor, scales: Tensor) -> Tensor:
    """Float32 weights [b, k, v] of what ``quantise`` gave."""
    return integers.float() * scales.float()[:, None]


def pack(integers: Tensor, bits: int) -> Tensor:
    """Store int8 [b, k, v] in ``bits`` bits each: uint8 [b, k·v·bits/8]; with 6 bits four weights lie in three bytes."""
    flat = integers.flatten(1).to(torch.int16) + 2 ** (bits - 1)
    if bits == 8:
        return flat.to(torch.uint8)
    a, b, c, d = flat.view(len(flat), -1, 4).unbind(-1)
    packed = torch.stack([a | (b & 3) << 6, b >> 2 | (c & 15) << 4, c >> 4 | d << 2], -1)
    return packed.flatten(1).to(torch.uint8)


def unpack(packed: Tensor, bits: int, key: int, value: int) -> Tensor:
    """int8 [b, key, value] from what ``pack`` gave."""
    flat = packed.to(torch.int16)
    if bits == 6:
        a, b, c = flat.view(len(flat), -1, 3).unbind(-1)
        flat = torch.stack([a & 63, a >> 6 | (b & 15) << 2, b >> 4 | (c & 3) << 4, c >> 2], -1)
    return (flat.reshape(-1, key, value) - 2 ** (bits - 1)).to(torch.int8)
