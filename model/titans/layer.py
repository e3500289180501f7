"""A neural memory as a layer: projections, convolution and gates around the rules of ``rules.py``.

Titans §4.4 (arXiv 2501.00663): queries, keys and values are projections of the token, convolved over the last few tokens
feature by feature, with SiLU; queries and keys have unit length. θ, η and α are projections of the token too. The memory's
first weights are learned. Deviations: gates are bounded so that weights cannot blow up (``state.bounded_gates``); no normalisation
and gate stand before the output projection; with ``rwkv7`` the decay is exp(−0.5 σ), where RWKV-7 has exp(−0.607 σ). The state is
float32 or better, whatever the layer's own dtype and under autocast.
"""

# b sequence · t token · d feature · h head · k key feature · v value feature

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from model.config import BlockConfig
from model.titans.rules import Stream, learn, resume
from model.titans.state import Gates, bounded_gates, empty_state, fold_heads, largest_step, read, unfold_heads

__all__ = ["LayerState", "NeuralMemory"]


class LayerState(NamedTuple):
    """The state of a layer between calls: the projections that the next convolution needs, and the memory's stream."""

    tail: Tensor  # [b, convolution − 1, heads · (2k + v)]
    stream: Stream


class Convolution(torch.autograd.Function):
    """Depthwise causal convolution of [b, t + c − 1, f] with taps [c, f], the last for the token itself: [b, t, f].

    It works in pieces that fit into the cache, without transposing: about three times as fast on a CPU as ``F.conv1d`` with gradients.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor) -> Tensor:
        ctx.save_for_backward(x, taps)
        length = x.shape[1] - len(taps) + 1
        mixed = x.new_empty(len(x), length, x.shape[2])
        for start, end in Convolution.pieces(len(x), length):
            torch.mul(x[:, start:end], taps[0], out=mixed[:, start:end])
            for j, tap in enumerate(taps[1:], 1):
                mixed[:, start:end].addcmul_(x[:, start + j : end + j], tap)
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, taps = ctx.saved_tensors
        of_x, of_taps = torch.zeros_like(x), torch.zeros_like(taps)
        for start, end in Convolution.pieces(*grad.shape[:2]):
            piece = grad[:, start:end]
            for j, tap in enumerate(taps):
                of_x[:, start + j : end + j].addcmul_(piece, tap)
                of_taps[j] += (piece * x[:, start + j : end + j]).sum((0, 1))
        return of_x, of_taps

    @staticmethod
    def pieces(batch: int, length: int) -> list[tuple[int, int]]:
        step = max(16, 128 // max(1, batch))
        return [(start, min(start + step, length)) for start in range(0, length, step)]


class NeuralMemory(nn.Module):
    """Tokens [b, t, d] in, the memory's read for each [b, t, d] out. Calls on the parts of a sequence give the same as one call."""

    def __init__(self, config: BlockConfig):
        super().__init__()
        self.config = config
        memory, heads, d = config.memory, config.heads, config.width
        features = heads * (2 * memory.key + memory.value)
        self.project = nn.Linear(d, features, bias=False)
        self.convolution = nn.Parameter(0.1 * torch.randn(config.convolution, features))
        vector = memory.rule == "rwkv7"
        self.gate_sizes = [memory.key, 1, memory.key] if vector else [1, 1, 1]
        self.gates = nn.Linear(d, heads * sum(self.gate_sizes))
        sizes = [memory.key, *[config.hidden] * (memory.depth - 1), memory.value]
        shapes = pairwise(sizes)
        self.initial = nn.ParameterList(nn.Parameter(torch.randn(heads, a, b) * 0.5 * a**-0.5) for a, b in shapes)
        self.out = nn.Linear(heads * memory.value, d, bias=False)
        with torch.no_grad():
            self.convolution[-1] += 1

    def start(self, x: Tensor) -> LayerState:
        """The state before the first token of sequences like ``x`` [b, t, d]."""
        initial = tuple(w.to(torch.promote_types(w.dtype, torch.float32)) for w in self.initial)
        state = empty_state(self.config.memory, len(x), initial)
        none = x[:, :0]
        tail = self.project.weight.new_zeros(len(x), self.config.convolution - 1, self.project.out_features)
        queries, keys, values, gates = self.inputs(none, tail)[:4]
        return LayerState(tail, Stream.start(state, keys, values, gates)._replace(queries=queries))

    def inputs(self, x: Tensor, tail: Tensor) -> tuple[Tensor, Tensor, Tensor, Gates, Tensor]:
        """Queries, keys, values and gates with heads folded into the batch, and the next tail."""
        config = self.config
        memory, length = config.memory, x.shape[1]
        projected = torch.cat([tail, self.project(x)], 1)
        folded = fold_heads(F.silu(Convolution.apply(projected, self.convolution)), config.heads)
        queries, keys, values = folded.split([memory.key, memory.key, memory.value], -1)
        gates = self.gates_of(fold_heads(self.gates(x), config.heads))
        tail = projected[:, length:]
        return unit(queries), unit(keys), values, gates, tail

    def gates_of(self, raw: Tensor) -> Gates:
        """Bounded gates from numbers [b · h, t, sum of gate sizes]."""
        if self.config.memory.rule == "rwkv7":
            step, momentum, forget = torch.sigmoid(raw).split(self.gate_sizes, -1)
            return Gates(step, momentum[..., 0], -torch.expm1(-0.5 * forget))
        return bounded_gates(raw, largest_step(self.config.memory))

    def forward(self, x: Tensor, state: LayerState | None = None) -> tuple[Tensor, LayerState]:
        state = self.start(x) if state is None else state
        queries, keys, values, gates, tail = self.inputs(x, state.tail)
        stream, reads = resume(self.config.memory, state.stream, keys, values, gates, queries)
        return self.out(unfold_heads(reads, self.config.heads).to(x.dtype)), LayerState(tail, stream)

    def recall(self, x: Tensor, state: LayerState) -> Tensor:
        """The memory's read for each of x [b, t, d], without learning (eq. 21)."""
        queries = self.inputs(x, state.tail)[0]
        stream = state.stream
        latest, _ = learn(self.config.memory, stream.state, stream.keys, stream.values, stream.gates, stream.queries)
        reads = read(self.config.memory, latest.weights, queries.to(latest.weights[0].dtype))
        return self.out(unfold_heads(reads, self.config.heads).to(x.dtype))


def unit(x: Tensor) -> Tensor:
    """x with unit length in its last dimension; several times as fast as ``F.normalize`` for narrow strided heads."""
    return x * (x.square().sum(-1, keepdim=True) + 1e-12).rsqrt()
