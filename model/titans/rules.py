"""Neural memories that learn while they read: the Titans rule, and other rules behind the same interface.

Titans: Learning to Memorize at Test Time, arXiv 2501.00663. Symbols:

    M → weights   S → carry (the surprise)   θ → gates.step   η → gates.momentum   α → gates.forget
    ℓ(M; k, v) = ‖M(k) − v‖²                    eq. 12
    S_t = η_t S_{t−1} − θ_t ∇ℓ                  eq. 10
    M_t = (1 − α_t) M_{t−1} + S_t               eq. 13
    y_t = M_t(q_t)                              eq. 15

``learn`` reads any number of tokens. Inside a chunk the gradients of the Titans rule are taken at the chunk's first weights
(eq. 16), and the recurrences are solved in closed form (the dual form): no loop over tokens, and memory O(|M| + chunk²).
``RuleConfig.rule`` chooses

    titans   the above; M has one to three layers
    delta    S_t = −θ_t ∇ℓ: no momentum, no forgetting (eq. 8); M has one to three layers
    rwkv7    M_t = diag(1 − α_t) M_{t−1} − (θ_t ⊙ k_t)(k_tᵀ M_{t−1} − v_tᵀ), θ and α vectors (Peng et al., arXiv 2503.14456,
             eq. 18, with a_t ⊙ k_t for the replacement key); every gradient at its own token's weights; M linear
    closed   M_t = argmin Σ_{i≤t} θ_i Π_{i<j≤t}(1 − α_j) ‖k_i M − v_i‖², regularised: recursive least squares; M linear

Deviations from the paper: the loss is a sum over features, as eq. 12 has it, and the weights of a chunk's gradients are its
first. Keys must have unit length for the bounds on gates to keep weights bounded. States are kept in the dtype they come
in, and all is computed in it; give float32 or better.
"""

# b segment (heads folded in) · t token · i earlier token of the same chunk · k key feature · v value feature

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from model.config import RuleConfig
from model.titans.dual import cut, sizes_of, titans_chunks, titans_pieces, tokens_of
from model.titans.state import Gates, MemoryState

__all__ = ["Stream", "learn", "resume"]

SUBCHUNK = 16
"""Tokens for which the rule of vector gates holds all pairs' decays at once."""


def rwkv7_chunk(
    config: RuleConfig, state: MemoryState, keys: Tensor, values: Tensor, queries: Tensor, gates: Gates, reading: bool = True
) -> tuple[MemoryState, Tensor]:
    """The vector-gated delta rule for one chunk: all errors at once from a triangular system."""
    (weights,) = state.weights
    length = keys.shape[1]
    log_kept = torch.log1p(-gates.forget)
    after = log_kept.cumsum(1)  # of every key feature, from the chunk's start to after t
    before = after - log_kept
    later = torch.ones(length, length, dtype=torch.bool, device=keys.device).triu(1)
    taught = gates.step * keys

    def share(x: Tensor, until: Tensor, hidden: Tensor) -> Tensor:
        """[b, t, i] of x_t · (decay from after i to ``until`` t ⊙ taught key i), 0 where hidden."""
        span = (until[:, :, None] - after[:, None, :]).masked_fill(hidden[..., None], -torch.inf).exp()
        return torch.einsum("btk,btik,bik->bti", x, span, taught)

    now = later | torch.eye(length, dtype=torch.bool, device=keys.device)
    system = share(keys, before, now) + torch.eye(length, dtype=keys.dtype, device=keys.device)
    wanted = (keys * before.exp()) @ weights - values
    errors = torch.linalg.solve_triangular(system, wanted, upper=False, unitriangular=True)
    until, hidden = (before, now) if config.reads == "before" else (after, later)
    reads = (queries * until.exp()) @ weights - share(queries, until, hidden) @ errors
    rest = (after[:, -1:] - after).exp() * taught
    return MemoryState((after[:, -1, :, None].exp() * weights - rest.mT @ errors,), ()), reads


def closed_chunk(
    config: RuleConfig, state: MemoryState, keys: Tensor, values: Tensor, queries: Tensor, gates: Gates, reading: bool = True
) -> tuple[MemoryState, Tensor]:
    """Recursive least squares for one chunk: prefixes of a Cholesky factor are the factors of prefixes.

    The inverse curvature would grow without bound in directions that no key takes. Therefore its trace is held at its first value
    (constant-trace least squares, Åström and Wittenmark 1995, §11.5); if keys do not span the space, forgetting stops.
    """
    (weights,), (inverse,) = state.weights, state.carry
    kept = (1 - gates.forget).cumprod(1)
    noise = kept / gates.step.clamp_min(1e-8)
    factor = torch.linalg.cholesky(keys @ inverse @ keys.mT + torch.diag_embed(noise))
    innovation = torch.linalg.solve_triangular(factor, values - keys @ weights, upper=False)
    gain = torch.linalg.solve_triangular(factor, keys @ inverse, upper=False)
    reads = queries @ weights + (queries @ gain.mT).tril(-1 if config.reads == "before" else 0) @ innovation
    inverse = (inverse - gain.mT @ gain) / kept[:, -1, None, None]
    trace = inverse.diagonal(dim1=1, dim2=2).sum(-1)[:, None, None]
    inverse = inverse * (config.key / config.regularisation / trace).clamp_max(1)
    return MemoryState((weights + gain.mT @ innovation,), ((inverse + inverse.mT) / 2,)), reads


def pieces(config: RuleConfig, keys: Tensor, values: Tensor, queries: Tensor, gates: Gates) -> list[tuple[Tensor, Tensor, Tensor, Gates]]:
    """The number of tokens that one step of the other rules reads."""
    size = min(config.chunk, SUBCHUNK) if config.rule == "rwkv7" else config.chunk
    return cut(sizes_of(keys.shape[1], size), keys, values, queries, gates)


STEPS: dict[str, tuple[Callable, Callable]] = {
    "titans": (titans_pieces, titans_chunks),
    "delta": (titans_pieces, titans_chunks),
    "rwkv7": (pieces, rwkv7_chunk),
    "closed": (pieces, closed_chunk),
}


def learn(
    config: RuleConfig, state: MemoryState, keys: Tensor, values: Tensor, gates: Gates, queries: Tensor | None = None, passes: int = 1
) -> tuple[MemoryState, Tensor]:
    """Read any number of tokens: the new state, and the read [b, t, v] of each query before or after its own token's update.

    Keys and queries (the keys if not given) are [b, t, k], values [b, t, v]. A later token changes no earlier read. Each further pass reads
    all tokens again, with the carry of the pass before; reads are those of the first pass. Everything is computed in the state's dtype,
    also under autocast: in bfloat16 a state is lost after some hundred chunks.
    """
    queries = keys if queries is None else queries
    first = state.weights[0]
    with torch.autocast(first.device.type, enabled=False):
        keys, values, queries, *gates_ = (x.to(first.dtype) for x in (keys, values, queries, *gates))
        return learn_pieces(config, state, keys, values, Gates(*gates_), queries, passes)


def learn_pieces(
    config: RuleConfig, state: MemoryState, keys: Tensor, values: Tensor, gates: Gates, queries: Tensor, passes: int
) -> tuple[MemoryState, Tensor]:
    """``learn`` piece after piece."""
    prepare, step = STEPS[config.rule]
    prepared = prepare(config, keys, values, queries, gates)
    reads = []
    for repeat in range(passes):
        for piece in prepared:
            state, read = step(config, state, *piece, reading=repeat == 0)
            if repeat == 0:
                reads.append(read)
    return state, torch.cat(reads, 1) if reads else values


class Stream(NamedTuple):
    """A reading that can stop at any token: the state at the end of the last chunk, and the tokens read since."""

    state: MemoryState
    keys: Tensor
    values: Tensor
    gates: Gates
    queries: Tensor

    @classmethod
    def start(cls, state: MemoryState, keys: Tensor, values: Tensor, gates: Gates) -> "Stream":
        """The stream before the first token; the other arguments only tell shapes."""
        none = slice(0, 0)
        return cls(state, keys[:, none], values[:, none], tokens_of(gates, none), keys[:, none])


def resume(
    config: RuleConfig, stream: Stream, keys: Tensor, values: Tensor, gates: Gates, queries: Tensor | None = None
) -> tuple[Stream, Tensor]:
    """Continue reading, with the same result as one call. Tokens of an unfinished chunk are read again, at most one chunk."""
    queries = keys if queries is None else queries
    new = keys.shape[1]
    if stream.keys.shape[1]:
        keys, values = torch.cat([stream.keys, keys], 1), torch.cat([stream.values, values], 1)
        queries = torch.cat([stream.queries, queries], 1)
        gates = Gates(*(torch.cat(pair, 1) for pair in zip(stream.gates, gates, strict=True)))
    whole = slice(0, keys.shape[1] // config.chunk * config.chunk)
    rest = slice(whole.stop, None)
    state, reads = learn(config, stream.state, keys[:, whole], values[:, whole], tokens_of(gates, whole), queries[:, whole])
    left = Stream(state, keys[:, rest], values[:, rest], tokens_of(gates, rest), queries[:, rest])
    if left.keys.shape[1]:
        _, more = learn(config, *left[:4], queries=left.queries)
        reads = torch.cat([reads, more], 1)
    return left, reads[:, keys.shape[1] - new :]
