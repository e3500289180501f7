"""Rehearsal ends where plain momentum ends, and stays finite where it has too little or nothing to go by."""

import pytest
import torch
from torch.nn import functional as F

from model.memorizer.ridge import fixed_point, rehearse
from model.titans.reference import rehearse_loop

KEY, VALUE = 12, 5


def case(length: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(length)
    keys = F.normalize(torch.randn(3, length, KEY, generator=generator, dtype=dtype), dim=-1)
    values = torch.randn(3, length, VALUE, generator=generator, dtype=dtype)
    return keys, values, torch.sigmoid(torch.randn(3, length, generator=generator, dtype=dtype)) * 0.4


def test_passes_reach_the_fixed_point_that_plain_momentum_reaches_slowly():
    keys, values, step = case(16, torch.float64)
    forget = torch.full((3,), 0.05, dtype=torch.float64)
    target = fixed_point(keys, values, step, forget)
    start = torch.zeros_like(target)
    torch.testing.assert_close(rehearse(start, keys, values, step, forget, KEY), target, atol=1e-9, rtol=0)
    torch.testing.assert_close(rehearse_loop(start, keys, values, step, forget, 4_000), target, atol=1e-6, rtol=0)


@pytest.mark.parametrize("length", [1, 2, KEY - 1])
def test_few_tokens_with_hardly_any_forgetting_are_exact_and_finite(length):
    keys, values, step = case(length, torch.float32)
    weights = rehearse(torch.zeros(3, KEY, VALUE), keys, values, step, torch.full((3,), 1e-10), 200)
    torch.testing.assert_close(keys @ weights, values, atol=1e-4, rtol=0)


def test_rehearsing_nothing_changes_nothing():
    start = torch.ones(1, KEY, VALUE)
    empty = rehearse(start, torch.zeros(1, 0, KEY), torch.zeros(1, 0, VALUE), torch.zeros(1, 0), torch.zeros(1), 4)
    assert torch.equal(empty, start)
