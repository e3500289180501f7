"""Stored weights: rounding stays within half a step, packing loses nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.memorizer.quantization import STEPS, dequantize, pack, quantize, quantize_compensated, unpack
from model.memorizer.ridge import normal_matrix, ridge


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(sorted(STEPS)))
def test_packing_is_lossless_and_rounding_is_within_half_a_step(seed, bits):
    weights = torch.randn(2, 24, 8, generator=torch.Generator().manual_seed(seed)).clamp(-2, 2)
    codes, scales = quantize(weights, torch.tensor([24, 24]), bits)
    packed = pack(codes[0], bits)
    assert packed.shape == (24, bits) and packed.dtype == torch.uint8
    assert torch.equal(unpack(packed, bits), codes[0])
    step = scales.float()[:, None, None]
    inside = weights.abs() <= step * (2**bits - 1) / 2
    error = (dequantize(codes, scales, bits) - weights).abs()
    assert (error <= 0.501 * step)[inside].all()


@pytest.mark.parametrize("bits", sorted(STEPS))
def test_steps_are_the_best_for_normal_weights(bits):
    weights = torch.randn(1, 4_000, 8, generator=torch.Generator().manual_seed(0))
    rows = torch.tensor([4_000])
    scales = quantize(weights, rows, bits)[1]

    def error(factor: float) -> float:
        other = scales.float() * factor
        top = (2**bits - 1) / 2
        levels = (weights / other + top).round().clamp(0, 2**bits - 1)
        return ((levels - top) * other - weights).square().mean().item()

    assert error(1.0) <= min(error(0.85), error(1.15))


def test_empty_rows_do_not_change_the_scale():
    weights = torch.randn(1, 16, 8, generator=torch.Generator().manual_seed(0))
    padded = torch.cat([weights, torch.zeros_like(weights)], 1)
    assert torch.equal(quantize(weights, torch.tensor([16]), 1)[1], quantize(padded, torch.tensor([16]), 1)[1])


def test_compensated_rounding_reads_better_when_tokens_are_few():
    generator = torch.Generator().manual_seed(0)
    keys = torch.nn.functional.normalize(torch.randn(8, 3, 32, generator=generator), dim=-1)
    values = torch.randn(8, 3, 16, generator=generator)
    step, forget, rows = torch.ones(8, 3), torch.full((8,), 0.01), torch.full((8,), 32)
    weights, curvature = ridge(keys, values, step, forget), normal_matrix(keys, step, forget)

    def error(rounded: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return (keys @ dequantize(*rounded, 1) - values).square().sum()

    assert error(quantize_compensated(weights, rows, torch.full((8,), 3), 1, curvature)) < 0.2 * error(quantize(weights, rows, 1))


@pytest.mark.parametrize("value", [0.0, torch.nan, torch.inf])
def test_no_weights_make_scales_that_are_not_finite(value):
    codes, scales = quantize(torch.full((1, 8, 8), value), torch.tensor([8]), 1)
    assert scales.isfinite().all() and dequantize(codes, scales, 1).isfinite().all()
