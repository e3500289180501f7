"""The Titans rule one token at a time, gradients by autograd: the slow truth that ``memory.py`` is held against."""

# b segment · t token · k key feature · v value feature

import torch
from torch import Tensor

from model.memory import Gates, MemoryState

__all__ = ["read_stream_loop", "rehearse_loop"]


def loss_gradient(weights: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """∇_M ‖k M − v‖² (eq. 12) for weights [b, k, v], key [b, k], value [b, v], itself differentiable."""
    if not weights.requires_grad:
        weights = weights.detach().requires_grad_()
    with torch.enable_grad():
        loss = ((key[:, None] @ weights)[:, 0] - value).square().sum()
        return torch.autograd.grad(loss, weights, create_graph=True)[0]


def read_stream_loop(state: MemoryState, keys: Tensor, values: Tensor, gates: Gates, chunk: int) -> tuple[MemoryState, Tensor]:
    """Same arguments and results as ``memory.read_stream``; eqs. 10, 12, 13 and 15 word for word."""
    weights, momentum = state
    reads = [values[:, :0]]
    for t in range(keys.shape[1]):
        if t % chunk == 0:
            anchor = weights  # eq. 16: gradients of a chunk are taken at its first weights
        gradient = loss_gradient(anchor, keys[:, t], values[:, t])
        momentum = gates.momentum[:, t, None, None] * momentum - gates.step[:, t, None, None] * gradient
        weights = (1 - gates.forget[:, t, None, None]) * weights + momentum
        reads.append(keys[:, t : t + 1] @ weights)
    return MemoryState(weights, momentum), torch.cat(reads, 1)


def rehearse_loop(
    weights: Tensor, keys: Tensor, values: Tensor, step: Tensor, forget: Tensor, passes: int, momentum: float = 0.9
) -> Tensor:
    """Whole-segment passes of eqs. 10 and 13 with a fixed safe step and momentum; slowly reaches ``memory.fixed_point``."""
    surprise = torch.zeros_like(weights)
    bound = step.sum(1) + forget  # unit keys: no curvature is larger
    for _ in range(passes):
        error = keys @ weights - values
        gradient = (keys * step[..., None]).mT @ error + forget[:, None, None] * weights
        surprise = momentum * surprise - gradient / bound[:, None, None]
        weights = weights + surprise
    return weights
