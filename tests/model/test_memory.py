"""The fast path of the Titans rule against the token loop, and the properties that recitation rests on."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from model.memory import Gates, MemoryState, dequantise, fixed_point, pack, quantise, read_stream, rehearse, unpack
from model.reference import read_stream_loop, rehearse_loop

KEY, VALUE, CHUNK = 12, 5, 8
LENGTHS = {"one": 1, "chunk-1": CHUNK - 1, "chunk": CHUNK, "chunk+1": CHUNK + 1, "many": 3 * CHUNK + 3}


def case(length: int, batch: int = 3, dtype: torch.dtype = torch.float64) -> tuple[MemoryState, torch.Tensor, torch.Tensor, Gates]:
    generator = torch.Generator().manual_seed(length)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    state = MemoryState(draw(batch, KEY, VALUE), 0.1 * draw(batch, KEY, VALUE))
    gates = Gates(
        torch.sigmoid(draw(batch, length)) * 0.4, torch.sigmoid(draw(batch, length) + 1), torch.sigmoid(draw(batch, length)) * 0.1
    )
    return state, F.normalize(draw(batch, length, KEY), dim=-1), draw(batch, length, VALUE), gates


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS.keys())
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=["float64", "float32"])
def test_fast_path_equals_token_loop_in_outputs_and_gradients(length, dtype, tolerance):
    results = []
    for run in (read_stream, read_stream_loop):
        state, keys, values, gates = case(length, dtype=dtype)
        inputs = [*state, keys, values, *gates]
        for tensor in inputs:
            tensor.requires_grad_()
        after, reads = run(state, keys, values, gates, CHUNK)
        loss = reads.square().sum() + after.weights.sin().sum() + after.momentum.cos().sum()
        results.append(([*after, reads], torch.autograd.grad(loss, inputs)))
    for fast, slow in zip(*results, strict=True):
        for ours, theirs in zip(fast, slow, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=tolerance * 10, atol=tolerance)


def test_stream_can_be_split_at_any_chunk_and_resumed():
    state, keys, values, gates = case(3 * CHUNK)
    whole, reads = read_stream(state, keys, values, gates, CHUNK)
    middle, first = read_stream(state, keys[:, :CHUNK], values[:, :CHUNK], Gates(*(g[:, :CHUNK] for g in gates)), CHUNK)
    end, second = read_stream(middle, keys[:, CHUNK:], values[:, CHUNK:], Gates(*(g[:, CHUNK:] for g in gates)), CHUNK)
    torch.testing.assert_close(torch.cat([first, second], 1), reads, atol=1e-12, rtol=0)
    torch.testing.assert_close(end.weights, whole.weights, atol=1e-12, rtol=0)


def test_later_token_changes_no_earlier_read():
    state, keys, values, gates = case(CHUNK + 3)
    _, before = read_stream(state, keys, values, gates, CHUNK)
    values[:, CHUNK] += 1e3
    _, after = read_stream(state, keys, values, gates, CHUNK)
    assert torch.equal(before[:, :CHUNK], after[:, :CHUNK])
    assert not torch.allclose(before[:, CHUNK:], after[:, CHUNK:])


def test_segment_alone_equals_segment_in_a_batch():
    state, keys, values, gates = case(CHUNK + 1)
    batch, _ = read_stream(state, keys, values, gates, CHUNK)
    alone, _ = read_stream(MemoryState(*(s[1:2] for s in state)), keys[1:2], values[1:2], Gates(*(g[1:2] for g in gates)), CHUNK)
    torch.testing.assert_close(alone.weights, batch.weights[1:2], atol=1e-12, rtol=0)


def test_rehearsal_reaches_the_fixed_point_that_plain_momentum_reaches_slowly():
    _, keys, values, gates = case(2 * CHUNK)
    forget = torch.full((3,), 0.05, dtype=torch.float64)
    target = fixed_point(keys, values, gates.step, forget)
    start = torch.zeros_like(target)
    torch.testing.assert_close(rehearse(start, keys, values, gates.step, forget, KEY), target, atol=1e-9, rtol=0)
    torch.testing.assert_close(rehearse_loop(start, keys, values, gates.step, forget, 4_000), target, atol=1e-6, rtol=0)


@pytest.mark.parametrize("length", [1, 2, KEY - 1])
def test_rehearsal_of_few_tokens_with_hardly_any_forgetting_is_exact_and_finite(length):
    _, keys, values, gates = case(length, dtype=torch.float32)
    weights = rehearse(torch.zeros(3, KEY, VALUE), keys, values, gates.step, torch.full((3,), 1e-10), 200)
    torch.testing.assert_close(keys @ weights, values, atol=1e-4, rtol=0)


def test_rehearsal_of_nothing_changes_nothing_and_stays_finite():
    start = torch.ones(1, KEY, VALUE)
    empty = rehearse(start, torch.zeros(1, 0, KEY), torch.zeros(1, 0, VALUE), torch.zeros(1, 0), torch.zeros(1), 4)
    assert torch.equal(empty, start)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([6, 8]))
def test_packing_is_lossless_and_rounding_is_within_half_a_step(seed, bits):
    weights = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(seed))
    integers, scales = quantise(weights, bits)
    packed = pack(integers, bits)
    assert packed.shape == (2, 32 * bits // 8)
    assert torch.equal(unpack(packed, bits, 8, 4), integers)
    assert ((dequantise(integers, scales) - weights).abs() <= 0.51 * scales.float()[:, None] + 1e-6).all()
