"""Reference implementation of ``rules.py``: one token at a time, with gradients by autograd. Tests compare the fast path with it."""

# b segment · t token · k key feature · v value feature

import torch
from torch import Tensor

from model.config import RuleConfig
from model.titans.state import Gates, MemoryState, read

__all__ = ["learn_loop"]


def loss_gradients(config: RuleConfig, weights: tuple[Tensor, ...], key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
    """∇_M ‖M(k) − v‖² (eq. 12) for one token, key [b, k] and value [b, v], itself differentiable."""
    weights = tuple(w if w.requires_grad else w.detach().requires_grad_() for w in weights)
    with torch.enable_grad():
        error = read(config, weights, key[:, None])[:, 0] - value
        return torch.autograd.grad(error.square().sum(), weights, create_graph=True)


def gradient_token(
    config: RuleConfig, state: MemoryState, anchor: tuple[Tensor, ...], key: Tensor, value: Tensor, gates: list[Tensor]
) -> MemoryState:
    """Eqs. 8, 10 and 13, literally."""
    step, momentum, forget = (gate[:, None, None] for gate in gates)
    slopes = loss_gradients(config, anchor, key, value)
    if config.rule == "delta":
        return MemoryState(tuple(w - step * g for w, g in zip(state.weights, slopes, strict=True)), ())
    carry = tuple(momentum * s - step * g for s, g in zip(state.carry, slopes, strict=True))
    return MemoryState(tuple((1 - forget) * w + s for w, s in zip(state.weights, carry, strict=True)), carry)


def rwkv7_token(config: RuleConfig, state: MemoryState, key: Tensor, value: Tensor, gates: list[Tensor]) -> MemoryState:
    """Half the gradient of eq. 12 at the token's own weights, scaled and forgotten feature by feature."""
    step, _, forget = gates
    (slope,) = loss_gradients(config, state.weights, key, value)
    return MemoryState(((1 - forget)[..., None] * state.weights[0] - step[..., None] * slope / 2,), ())


def closed_token(config: RuleConfig, state: MemoryState, key: Tensor, value: Tensor, gates: list[Tensor]) -> MemoryState:
    """Adds the token to the curvature by inverting twice; the weights follow from the normal equation."""
    step, _, forget = (gate[:, None, None] for gate in gates)
    (weights,), (inverse,) = state.weights, state.carry
    curvature = torch.linalg.inv(inverse)
    moment = curvature @ weights
    curvature = (1 - forget) * curvature + step * key[:, :, None] * key[:, None, :]
    moment = (1 - forget) * moment + step * key[:, :, None] * value[:, None, :]
    return MemoryState((torch.linalg.solve(curvature, moment),), (torch.linalg.inv(curvature),))


def learn_loop(
    config: RuleConfig, state: MemoryState, keys: Tensor, values: Tensor, gates: Gates, queries: Tensor | None = None, passes: int = 1
) -> tuple[MemoryState, Tensor]:
    """Same arguments and results as ``rules.learn``."""
    queries = keys if queries is None else queries
    reads = [values[:, :0]]
    for repeat in range(passes):
        for t in range(keys.shape[1]):
            if t % config.chunk == 0:
                anchor = state.weights  # eq. 16: gradients of a chunk are taken at its first weights
            before = state.weights
            of_token = keys[:, t], values[:, t], [gate[:, t] for gate in gates]
            if config.rule == "rwkv7":
                state = rwkv7_token(config, state, *of_token)
            elif config.rule == "closed":
                state = closed_token(config, state, *of_token)
                if t % config.chunk == config.chunk - 1 or t == keys.shape[1] - 1:
                    (inverse,) = state.carry
                    trace = inverse.diagonal(dim1=1, dim2=2).sum(-1)[:, None, None]
                    state = MemoryState(state.weights, (inverse * (config.key / config.regularisation / trace).clamp_max(1),))
            else:
                state = gradient_token(config, state, anchor, *of_token)
            if repeat == 0:
                reads.append(read(config, before if config.reads == "before" else state.weights, queries[:, t : t + 1]))
    return state, torch.cat(reads, 1)
