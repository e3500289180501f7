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
in; give float32 or better.
"""

# b segment (heads folded in) · t token · i earlier token of the same chunk · k key feature · v value feature

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from model.config import RuleConfig

__all__ = [
    "Gates",
    "MemoryState",
    "Stream",
    "bounded_gates",
    "empty_state",
    "fold_heads",
    "learn",
    "network",
    "read",
    "resume",
    "unfold_heads",
]

EPS = 1e-3
"""Added to a mean square before its root; gradients through the norm grow by 1 / √EPS at most."""
SUBCHUNK = 16
"""Tokens for which the rule of vector gates holds all pairs' decays at once."""
READ_AT_ONCE = 256
"""Tokens whose reads the Titans rule makes together: so many states of the memory are held, one a chunk."""


class MemoryState(NamedTuple):
    """Everything that a memory is: ``weights`` of each layer [b, in, out], and what its rule carries from token to token.

    ``carry`` is the momentum S of each layer for ``titans``, the inverse curvature [b, k, k] for ``closed``, else nothing.
    """

    weights: tuple[Tensor, ...]
    carry: tuple[Tensor, ...]


class Gates(NamedTuple):
    """θ ≥ 0, 0 ≤ η < 1 and 0 ≤ α < 1 of every token, each [b, t]; for ``rwkv7`` θ and α are [b, t, k] and η is not used."""

    step: Tensor
    momentum: Tensor
    forget: Tensor


def bounded_gates(config: RuleConfig, raw: Tensor) -> Gates:
    """Gates [b, t] from any numbers ``raw`` [b, t, 3] with which ``titans`` and ``delta`` keep a linear memory bounded.

    η < 0.95, α < 0.1, and θ < 1 / (2 chunk) for ``delta``, a twentieth of it for ``titans``: even when all keys of a chunk
    are one key, whose gradients at the chunk's first weights add up, the step with all the momentum that follows from it
    does not go past the value.
    """
    step, momentum, forget = torch.sigmoid(raw).unbind(-1)
    momentum = 0.95 * momentum
    most = (0.05 if config.rule == "titans" else 1.0) / (2 * config.chunk)
    return Gates(most * step, momentum, 0.1 * forget)


def empty_state(
    config: RuleConfig, batch: int, initial: tuple[Tensor, ...] | None = None, device: torch.device | None = None
) -> MemoryState:
    """Memories that have read nothing: ``initial`` weights of each layer, [in, out] or for several heads [h, in, out].

    Without them a linear memory starts at zero.
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
    """What queries [b, t, k] read [b, t, v], all from the same weights (eq. 15)."""
    return network(config, lambda layer, x: x @ weights[layer], queries)


class SiLUSlope(torch.autograd.Function):
    """x ⊙ SiLU′(z), with its gradients, in few operations: PyTorch has the first but not its derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, z: Tensor) -> Tensor:
        ctx.save_for_backward(x, z)
        return torch.ops.aten.silu_backward(x, z)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, z = ctx.saved_tensors
        gate = torch.sigmoid(z)
        bend = torch.addcmul(z + 2, z, gate, value=-2).mul_(gate).mul_(1 - gate)
        return torch.ops.aten.silu_backward(grad, z), bend.mul_(x).mul_(grad)


def gradients(config: RuleConfig, weights: tuple[Tensor, ...], keys: Tensor, values: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Each token's ½∇ℓ as outer products: layer inputs [b, t, in] and errors [b, t, out], by hand so that training can go through."""
    inputs, hidden = [keys], []
    for matrix in weights[:-1]:
        hidden.append(inputs[-1] @ matrix)
        inputs.append(F.silu(hidden[-1]))
    target = values - keys if config.residual else values
    if config.norm:
        y = inputs[-1] @ weights[-1]
        rate = (y.square().mean(-1, keepdim=True) + EPS).rsqrt()
        unit = y * rate
        error = unit - target
        error = rate * torch.addcmul(error, unit, (unit * error).mean(-1, keepdim=True), value=-1)
    else:
        error = torch.baddbmm(target, inputs[-1], weights[-1], beta=-1)
    errors = [error]
    for matrix, before in zip(reversed(weights[1:]), reversed(hidden), strict=True):
        errors.append(SiLUSlope.apply(errors[-1] @ matrix.mT, before))
    return inputs, errors[::-1]


def decay_products(rates: Tensor) -> tuple[Tensor, Tensor]:
    """Products of ``rates`` [b, t] over every span: ([b, t, i] of Π_{i<j≤t}, [b, t] of Π_{j≤t}), by log-cumulative sums."""
    logs = rates.clamp_min(torch.finfo(rates.dtype).tiny).log().cumsum(-1)
    later = torch.ones(rates.shape[-1], rates.shape[-1], dtype=torch.bool, device=rates.device).triu(1)
    spans = (logs[:, :, None] - logs[:, None, :]).masked_fill(later, -torch.inf)
    return spans.exp(), logs.exp()


def one_earlier(x: Tensor, first: float) -> Tensor:
    """x [b, t, ...] one token later, ``first`` at the beginning: what stood before each token."""
    return torch.cat([torch.full_like(x[:, :1], first), x[:, :-1]], 1)


class Shares(NamedTuple):
    """How much of what is in the weights after each token of a chunk: W_t = β_t W_0 + f_t S_0 − Σ_i C[t,i] ∇ℓ_i."""

    of_weights: Tensor  # β [n, 1, 1] after the chunk
    of_carry: Tensor  # f [n, 1, 1]
    of_gradients: Tensor  # C [n, i, 1], with the 2 of the squared error
    carry_of_carry: Tensor  # [n, 1, 1], of S_0 in the S after the chunk
    carry_of_gradients: Tensor  # [n, i, 1]
    read_weights: Tensor  # [n, t, 1], [n, t, 1] and [n, t, i], for the weights that each token reads
    read_carry: Tensor
    read_gradients: Tensor


def shares(config: RuleConfig, gates: Gates) -> Shares:
    """The dual form's factors for chunks with gates [n, t], from masked differences of log-cumulative sums."""
    step = 2 * gates.step[:, None, :]
    if config.rule == "titans":
        kept, kept_all = decay_products(1 - gates.forget)
        carried, carried_all = decay_products(gates.momentum)
        after = kept_all[..., None], kept @ carried_all[..., None], (kept @ carried) * step
        rest = carried_all[:, -1:, None], carried[:, -1:] * step
    else:
        one = torch.ones_like(gates.step)[..., None]
        after = one, torch.zeros_like(one), (one @ one.mT).tril() * step
        rest = one[:, -1:], step
    read = (one_earlier(after[0], 1), one_earlier(after[1], 0), one_earlier(after[2], 0)) if config.reads == "before" else after
    return Shares(after[0][:, -1:], after[1][:, -1:], after[2][:, -1:].mT, rest[0], rest[1].mT, *read)


class Chunks(NamedTuple):
    """Whole chunks of tokens, all of one length."""

    keys: Tensor  # [c, b, t, k]
    values: Tensor
    queries: Tensor
    share: Shares  # [c · b, ...]

    @classmethod
    def of(cls, config: RuleConfig, keys: Tensor, values: Tensor, queries: Tensor, gates: Gates) -> "Chunks":
        """Tokens [b, t, ...], a multiple of a chunk or less than one."""
        size = min(config.chunk, keys.shape[1])

        def chunked(x: Tensor) -> Tensor:
            return x.unflatten(1, (-1, size)).transpose(0, 1)

        factors = shares(config, Gates(*(chunked(gate).flatten(0, 1) for gate in gates)))
        return cls(chunked(keys), chunked(values), chunked(queries), factors)


class Taught(NamedTuple):
    """What a chunk's reads need: the state before it, and its gradients as outer products."""

    weights: tuple[Tensor, ...]
    carry: tuple[Tensor, ...]
    inputs: list[Tensor]
    errors: list[Tensor]


def titans_chunks(config: RuleConfig, state: MemoryState, chunks: Chunks, reading: bool) -> tuple[MemoryState, Tensor | None]:
    """Eqs. 8–16 for one chunk after the other, then what the queries of all of them read [b, c · t, v]."""
    count, batch = chunks.keys.shape[:2]
    parts = [Shares(*factors) for factors in zip(*(factor.split(batch) for factor in chunks.share), strict=True)]
    taught = []
    for keys, values, share in zip(chunks.keys.unbind(0), chunks.values.unbind(0), parts, strict=True):
        inputs, errors = gradients(config, state.weights, keys, values)
        taught.append(Taught(*state, inputs, errors))
        state = titans_step(state, inputs, errors, share)
    if not reading:
        return state, None
    reads = titans_reads(config, together(taught), chunks.queries.flatten(0, 1), chunks.share)
    return state, reads.unflatten(0, (count, batch)).transpose(0, 1).flatten(1, 2)


def titans_step(state: MemoryState, inputs: list[Tensor], errors: list[Tensor], share: Shares) -> MemoryState:
    """The state after a chunk with these gradients."""
    weights, carry = [], []
    for layer, (old, taught, error) in enumerate(zip(state.weights, inputs, errors, strict=True)):
        start = share.of_weights * old
        if state.carry:
            held = state.carry[layer]
            start = torch.addcmul(start, share.of_carry, held)
            carry.append(torch.baddbmm(share.carry_of_carry * held, taught.mT, share.carry_of_gradients * error, alpha=-1))
        weights.append(torch.baddbmm(start, taught.mT, share.of_gradients * error, alpha=-1))
    return MemoryState(tuple(weights), tuple(carry))


def titans_reads(config: RuleConfig, taught: Taught, queries: Tensor, share: Shares) -> Tensor:
    """Eq. 15 for the queries [n, t, k] of n chunks."""

    def apply(layer: int, x: Tensor) -> Tensor:
        read = share.read_weights * (x @ taught.weights[layer])
        if taught.carry:
            read = torch.addcmul(read, share.read_carry, x @ taught.carry[layer])
        return torch.baddbmm(read, share.read_gradients * (x @ taught.inputs[layer].mT), taught.errors[layer], alpha=-1)

    return network(config, apply, queries)


def together(chunks: Sequence) -> Any:
    """Tensors [n, ...], or tuples and lists of them all alike, as one of tensors [c · n, ...]."""
    if isinstance(chunks[0], Tensor):
        return torch.cat(list(chunks))
    parts = [together(part) for part in zip(*chunks, strict=True)]
    return Taught(*parts) if isinstance(chunks[0], Taught) else parts


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

    The inverse curvature would grow without end in directions that no key takes; its trace is held at its first value
    (constant-trace least squares, Åström and Wittenmark 1995, §11.5).
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


def part(gates: Gates, tokens: slice) -> Gates:
    return Gates(*(gate[:, tokens] for gate in gates))


def cut(sizes: list[int], keys: Tensor, values: Tensor, queries: Tensor, gates: Gates) -> list[tuple[Tensor, Tensor, Tensor, Gates]]:
    """Consecutive tokens in pieces of these sizes."""
    parts = zip(*(x.split(sizes, 1) for x in (keys, values, queries, *gates)), strict=True)
    return [(key, value, query, Gates(*gate)) for key, value, query, *gate in parts]


def sizes_of(total: int, size: int) -> list[int]:
    """``total`` in parts of ``size`` and a rest."""
    return [size] * (total // size) + ([total % size] if total % size else [])


def titans_pieces(config: RuleConfig, keys: Tensor, values: Tensor, queries: Tensor, gates: Gates) -> list[tuple[Chunks]]:
    """Whole chunks, as many at once as are read at once, then the rest."""
    rest = keys.shape[1] % config.chunk
    sizes = sizes_of(keys.shape[1] - rest, max(1, READ_AT_ONCE // config.chunk) * config.chunk)
    return [(Chunks.of(config, *piece),) for piece in cut(sizes + ([rest] if rest else []), keys, values, queries, gates)]


def pieces(config: RuleConfig, keys: Tensor, values: Tensor, queries: Tensor, gates: Gates) -> list[tuple[Tensor, Tensor, Tensor, Gates]]:
    """Tokens that one step of the other rules reads."""
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
    """Read tokens of any number: the new state, and what each query reads [b, t, v] before or after its own token's update.

    Keys and queries (the keys when not given) are [b, t, k], values [b, t, v]. A later token changes no earlier read. Each
    further pass reads all tokens again, with the carry of the pass before; reads are those of the first pass.
    """
    prepare, step = STEPS[config.rule]
    prepared = prepare(config, keys, values, keys if queries is None else queries, gates)
    reads = []
    for repeat in range(passes):
        for piece in prepared:
            state, read = step(config, state, *piece, reading=repeat == 0)
            if repeat == 0:
                reads.append(read)
    return state, torch.cat(reads, 1) if reads else values


class Stream(NamedTuple):
    """A reading that can stop at any token: the state at the last chunk's end, and the tokens read since."""

    state: MemoryState
    keys: Tensor
    values: Tensor
    gates: Gates
    queries: Tensor

    @classmethod
    def start(cls, state: MemoryState, keys: Tensor, values: Tensor, gates: Gates) -> "Stream":
        """Nothing read yet; the other arguments only tell shapes."""
        none = slice(0, 0)
        return cls(state, keys[:, none], values[:, none], part(gates, none), keys[:, none])


def resume(
    config: RuleConfig, stream: Stream, keys: Tensor, values: Tensor, gates: Gates, queries: Tensor | None = None
) -> tuple[Stream, Tensor]:
    """Go on reading: split anywhere equals whole. Tokens of an unfinished chunk are read again, at most a chunk of them."""
    queries = keys if queries is None else queries
    new = keys.shape[1]
    if stream.keys.shape[1]:
        keys, values = torch.cat([stream.keys, keys], 1), torch.cat([stream.values, values], 1)
        queries = torch.cat([stream.queries, queries], 1)
        gates = Gates(*(torch.cat(pair, 1) for pair in zip(stream.gates, gates, strict=True)))
    whole = slice(0, keys.shape[1] // config.chunk * config.chunk)
    rest = slice(whole.stop, None)
    state, reads = learn(config, stream.state, keys[:, whole], values[:, whole], part(gates, whole), queries[:, whole])
    left = Stream(state, keys[:, rest], values[:, rest], part(gates, rest), queries[:, rest])
    if left.keys.shape[1]:
        _, more = learn(config, *left[:4], queries=left.queries)
        reads = torch.cat([reads, more], 1)
    return left, reads[:, keys.shape[1] - new :]


def fold_heads(x: Tensor, heads: int) -> Tensor:
    """[b, t, heads · f] as [b · heads, t, f]: every head is a memory of its own."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2).flatten(0, 1)


def unfold_heads(x: Tensor, heads: int) -> Tensor:
    """The inverse of ``fold_heads``."""
    return x.unflatten(0, (-1, heads)).transpose(1, 2).flatten(2)
