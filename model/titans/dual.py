"""The dual form of the Titans rule: processes a chunk of tokens at once, with masked matrix products for the recurrences (eqs. 8–16)."""

# b segment (heads folded in) · c chunk · n chunk of a segment (c · b) · t token · i earlier token of the chunk · k, v features

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from model.config import RuleConfig
from model.titans.state import EPS, Gates, MemoryState, network

__all__ = ["cut", "sizes_of", "titans_chunks", "titans_pieces", "tokens_of"]

READ_AT_ONCE = 256
"""Tokens whose reads are computed together: one state of the memory is held for each of their chunks."""


class SiLUSlope(torch.autograd.Function):
    """x ⊙ SiLU′(z) with its gradients; PyTorch has SiLU but not its derivative."""

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
    """Each token's ½∇ℓ as outer products: layer inputs [b, t, in] and errors [b, t, out]. Computed by hand, so that training can
    differentiate them.
    """
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
    """x [b, t, ...] shifted by one token, with ``first`` at the beginning: the value before each token."""
    return torch.cat([torch.full_like(x[:, :1], first), x[:, :-1]], 1)


class Shares(NamedTuple):
    """The coefficients of the weights after each token of a chunk: W_t = β_t W_0 + f_t S_0 − Σ_i C[t,i] ∇ℓ_i."""

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
    """Whole chunks of tokens, all of the same length."""

    keys: Tensor  # [c, b, t, k]
    values: Tensor
    queries: Tensor
    share: Shares  # [c · b, ...]

    @classmethod
    def of(cls, config: RuleConfig, keys: Tensor, values: Tensor, queries: Tensor, gates: Gates) -> "Chunks":
        """Chunks of tokens [b, t, ...]; t is a multiple of the chunk, or less than one chunk."""
        size = min(config.chunk, keys.shape[1])

        def chunked(x: Tensor) -> Tensor:
            return x.unflatten(1, (-1, size)).transpose(0, 1)

        factors = shares(config, Gates(*(chunked(gate).flatten(0, 1) for gate in gates)))
        return cls(chunked(keys), chunked(values), chunked(queries), factors)


class Taught(NamedTuple):
    """What the reads of a chunk need: the state before it, and its gradients as outer products."""

    weights: tuple[Tensor, ...]
    carry: tuple[Tensor, ...]
    inputs: list[Tensor]
    errors: list[Tensor]


def titans_chunks(config: RuleConfig, state: MemoryState, chunks: Chunks, reading: bool) -> tuple[MemoryState, Tensor | None]:
    """Eqs. 8–16 for one chunk after the other, then the reads [b, c · t, v] of all their queries."""
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
    """Tensors [n, ...] stacked to [c · n, ...]; also tuples and lists of tensors."""
    if isinstance(chunks[0], Tensor):
        return torch.cat(list(chunks))
    parts = [together(part) for part in zip(*chunks, strict=True)]
    return Taught(*parts) if isinstance(chunks[0], Taught) else parts


def tokens_of(gates: Gates, tokens: slice) -> Gates:
    """The gates of some of the tokens."""
    return Gates(*(gate[:, tokens] for gate in gates))


def cut(sizes: list[int], keys: Tensor, values: Tensor, queries: Tensor, gates: Gates) -> list[tuple[Tensor, Tensor, Tensor, Gates]]:
    """Split consecutive tokens into pieces of these sizes."""
    parts = zip(*(x.split(sizes, 1) for x in (keys, values, queries, *gates)), strict=True)
    return [(key, value, query, Gates(*gate)) for key, value, query, *gate in parts]


def sizes_of(total: int, size: int) -> list[int]:
    """Split ``total`` into parts of ``size`` and a rest."""
    return [size] * (total // size) + ([total % size] if total % size else [])


def titans_pieces(config: RuleConfig, keys: Tensor, values: Tensor, queries: Tensor, gates: Gates) -> list[tuple[Chunks]]:
    """Whole chunks, in groups that are read at once, then the rest."""
    rest = keys.shape[1] % config.chunk
    sizes = sizes_of(keys.shape[1] - rest, max(1, READ_AT_ONCE // config.chunk) * config.chunk)
    return [(Chunks.of(config, *piece),) for piece in cut(sizes + ([rest] if rest else []), keys, values, queries, gates)]
