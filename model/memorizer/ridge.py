"""Rehearsal of whole segments by a linear memory: the Titans rule at the pace of passes, and where the passes end.

One pass is one step of eqs. 10 and 13 (arXiv 2501.00663) on the sum of the segment's losses. θ and η of a pass are those
that minimise the loss along the surprise, which makes momentum descent the method of conjugate gradients (Bhaya and
Kaszkurewicz 2004); α enters as the pull of forgetting towards zero. ``rehearsal_map`` solves for the end at once: that is
how memories are written, and meta-training differentiates through it.
"""

# b segment · t token · k key feature · v value feature

import torch
from torch import Tensor

__all__ = ["fixed_point", "normal_matrix", "rehearsal_map", "rehearse"]


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


def rehearsal_map(keys: Tensor, step: Tensor, curvature: Tensor) -> Tensor:
    """The linear map [b, k, t] from values to where ``rehearse`` ends; keys [b, t, k], θ [b, t], their ``normal_matrix``."""
    return torch.cholesky_solve((keys * step[..., None]).mT, torch.linalg.cholesky(curvature))


def fixed_point(keys: Tensor, values: Tensor, step: Tensor, forget: Tensor) -> Tensor:
    """Where ``rehearse`` ends: the weights [b, k, v] at which surprise and forgetting balance (weighted ridge regression)."""
    return rehearsal_map(keys, step, normal_matrix(keys, step, forget)) @ values
