"""The fast path of every rule against its token loop, and what a memory promises."""

from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from model.config import RuleConfig
from model.errors import ModelError
from model.titans.reference import learn_loop
from model.titans.rules import Stream, learn, resume
from model.titans.state import Gates, MemoryState, bounded_gates, empty_state, fold_heads, largest_step, unfold_heads

KEY, VALUE, CHUNK = 12, 5, 8
LENGTHS = {"one": 1, "chunk-1": CHUNK - 1, "chunk": CHUNK, "chunk+1": CHUNK + 1, "many": 3 * CHUNK + 3}
MEMORIES = {
    "titans linear": RuleConfig(KEY, VALUE, chunk=CHUNK),
    "titans linear, reads before": RuleConfig(KEY, VALUE, chunk=CHUNK, reads="before"),
    "titans of two layers": RuleConfig(KEY, VALUE, depth=2, chunk=CHUNK),
    "titans of three layers, residual and norm": RuleConfig(KEY, KEY, depth=3, residual=True, norm=True, chunk=CHUNK, reads="before"),
    "delta": RuleConfig(KEY, VALUE, rule="delta", chunk=CHUNK),
    "delta of two layers, norm": RuleConfig(KEY, VALUE, rule="delta", depth=2, norm=True, chunk=CHUNK),
    "rwkv7": RuleConfig(KEY, VALUE, rule="rwkv7", chunk=CHUNK),
    "rwkv7, reads before": RuleConfig(KEY, VALUE, rule="rwkv7", chunk=CHUNK, reads="before"),
    "closed": RuleConfig(KEY, VALUE, rule="closed", chunk=CHUNK),
    "closed, reads before": RuleConfig(KEY, VALUE, rule="closed", chunk=CHUNK, reads="before"),
}
every_memory = pytest.mark.parametrize("config", MEMORIES.values(), ids=MEMORIES.keys())

Case = tuple[MemoryState, torch.Tensor, torch.Tensor, Gates, torch.Tensor]


def case(config: RuleConfig, length: int, batch: int = 3, dtype: torch.dtype = torch.float64) -> Case:
    """State, keys, values, gates and queries."""
    generator = torch.Generator().manual_seed(length)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    shapes = [(config.key, config.value), (9, config.value), (9, 7, config.value)][config.depth - 1]
    shapes = (config.key, *shapes) if config.depth > 1 else shapes
    weights = tuple(draw(batch, a, b) * a**-0.5 for a, b in pairwise(shapes))
    state = empty_state(config, batch, tuple(w[0] for w in weights))
    carry = tuple(c + 0.1 * draw(*c.shape) for c in state.carry) if config.rule == "titans" else tuple(c.clone() for c in state.carry)
    features = (config.key,) if config.rule == "rwkv7" else ()
    size = 0.8 if config.rule not in ("titans", "delta") else 0.1 if config.depth < 3 else 0.03
    gates = Gates(
        torch.sigmoid(draw(batch, length, *features)) * size,
        torch.sigmoid(draw(batch, length) + 1),
        torch.sigmoid(draw(batch, length, *features)) * 0.1,
    )
    keys, queries = F.normalize(draw(2, batch, length, config.key), dim=-1)
    return MemoryState(weights, carry), keys, draw(batch, length, config.value), gates, queries


@every_memory
@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS.keys())
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)], ids=["float64", "float32"])
def test_fast_path_equals_token_loop_in_reads_states_and_gradients(config, length, dtype, tolerance):
    results = []
    for run in (learn, learn_loop):
        state, keys, values, gates, queries = case(config, length, dtype=dtype)
        inputs = [*state.weights, *state.carry, keys, values, *gates, queries]
        for tensor in inputs:
            tensor.requires_grad_()
        if config.rule == "closed":  # a curvature is symmetric, and so must be its gradient
            state = MemoryState(state.weights, tuple((c + c.mT) / 2 for c in state.carry))
        after, reads = run(config, state, keys, values, gates, queries)
        tensors = [*after.weights, *after.carry, reads]
        loss = sum(t.sin().mean() for t in tensors)
        results.append((tensors, torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)))
    for fast, slow in zip(*results, strict=True):
        for ours, theirs in zip(fast, slow, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@every_memory
def test_further_passes_carry_on(config):
    state, keys, values, gates, queries = case(config, CHUNK + 3)
    fast, slow = (run(config, state, keys, values, gates, queries, passes=3) for run in (learn, learn_loop))
    for ours, theirs in zip((*fast[0].weights, fast[1]), (*slow[0].weights, slow[1]), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@every_memory
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)], ids=["float64", "float32"])
def test_reading_can_stop_and_resume_at_any_token(config, dtype, tolerance):
    length = 2 * CHUNK + 3
    state, keys, values, gates, queries = case(config, length, dtype=dtype)
    _, whole = learn(config, state, keys, values, gates, queries)
    for cut in range(length + 1):
        stream, reads = Stream.start(state, keys, values, gates), []
        for piece in (slice(0, cut), slice(cut, length)):
            stream, read = resume(config, stream, keys[:, piece], values[:, piece], Gates(*(g[:, piece] for g in gates)), queries[:, piece])
            reads.append(read)
        torch.testing.assert_close(torch.cat(reads, 1), whole, atol=tolerance, rtol=tolerance)


@every_memory
def test_later_token_changes_no_earlier_read(config):
    changed = CHUNK + 2
    state, keys, values, gates, queries = case(config, 2 * CHUNK)
    _, before = learn(config, state, keys, values, gates, queries)
    for tensor in (keys, values, queries, *gates):
        tensor[:, changed] = tensor[:, changed].roll(1, -1) if tensor.dim() > 2 else tensor[:, changed] / 2
    values[:, changed] += 1e3
    _, after = learn(config, state, keys, values, gates, queries)
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert not torch.allclose(before[:, changed:], after[:, changed:])


@every_memory
def test_token_reads_its_own_update_only_after_it(config):
    state, keys, values, gates, queries = case(config, 1)
    first = learn(config, state, keys, values, gates, queries)[1]
    other = learn(config, state, keys, values + 100, gates, queries)[1]
    assert torch.allclose(first, other) == (config.reads == "before")


@every_memory
def test_segment_alone_equals_segment_in_a_batch(config):
    state, keys, values, gates, queries = case(config, CHUNK + 1)
    batch, _ = learn(config, state, keys, values, gates, queries)
    one = MemoryState(tuple(w[1:2] for w in state.weights), tuple(c[1:2] for c in state.carry))
    alone, _ = learn(config, one, keys[1:2], values[1:2], Gates(*(g[1:2] for g in gates)), queries[1:2])
    for whole, single in zip(batch.weights, alone.weights, strict=True):
        torch.testing.assert_close(single, whole[1:2], atol=1e-12, rtol=0)


@every_memory
def test_long_streams_stay_finite_and_bounded(config):
    """A hundred times one token, then as many others: neither forgetting nor repeating blows anything up."""
    state, keys, values, gates, queries = case(config, 200, batch=1, dtype=torch.float32)
    keys[:, :100], values[:, :100] = keys[:, :1], values[:, :1]
    if config.rule in ("titans", "delta"):
        gates = bounded_gates(torch.linspace(-20, 20, 600).view(1, 3, 200).mT, largest_step(config))
    for _ in range(10):
        state, reads = learn(config, state, keys, values, gates, queries)
    for tensor in (*state.weights, *state.carry, reads):
        assert tensor.isfinite().all() and tensor.abs().max() < 1e4


@every_memory
def test_nothing_read_changes_nothing(config):
    state, keys, values, gates, queries = case(config, 0)
    after, reads = learn(config, state, keys, values, gates, queries)
    assert reads.shape == (3, 0, config.value)
    assert all(torch.equal(a, b) for a, b in zip(after.weights, state.weights, strict=True))


@every_memory
def test_state_stays_float32_under_autocast(config):
    state, keys, values, gates, queries = case(config, 3 * CHUNK + 1, dtype=torch.float32)
    plain, reads = learn(config, state, keys, values, gates, queries)
    with torch.autocast("cpu", torch.bfloat16):
        after, same = learn(config, state, keys, values, gates, queries)
    for tensor, other in zip((*plain.weights, *plain.carry, reads), (*after.weights, *after.carry, same), strict=True):
        assert other.dtype == torch.float32
        assert torch.equal(tensor, other)


def test_closed_form_is_least_squares_over_all_tokens():
    config = RuleConfig(KEY, VALUE, rule="closed", chunk=CHUNK)
    _, keys, values, gates, _ = case(config, 3 * CHUNK + 1)
    gates = gates._replace(forget=torch.zeros_like(gates.forget))
    start = empty_state(config, 3, (torch.zeros(KEY, VALUE, dtype=torch.float64),))
    (weights,), _ = learn(config, start, keys, values, gates)[0]
    normal = (keys * gates.step[..., None]).mT @ keys + config.regularisation * torch.eye(KEY, dtype=torch.float64)
    torch.testing.assert_close(weights, torch.linalg.solve(normal, (keys * gates.step[..., None]).mT @ values), rtol=1e-9, atol=1e-9)


def test_heads_are_memories_of_their_own():
    x = torch.arange(2 * 3 * 8.0).view(2, 3, 8)
    folded = fold_heads(x, 4)
    assert folded.shape == (8, 3, 2)
    assert torch.equal(folded[5], x[1, :, 2:4])
    assert torch.equal(unfold_heads(folded, 4), x)


@pytest.mark.parametrize(
    "wrong",
    [{"rule": "hebb"}, {"depth": 4}, {"reads": "never"}, {"residual": True}, {"rule": "closed", "depth": 2}, {"chunk": 0}],
    ids=str,
)
def test_impossible_memories_are_refused(wrong):
    with pytest.raises(ModelError):
        RuleConfig(KEY, VALUE, **wrong)
