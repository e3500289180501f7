"""The ridge solution is where plain momentum ends, and stays finite where it has little or nothing to go by."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.memorizer.ridge import ridge

KEY, VALUE = 12, 5


def case(length: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(length)
    keys = F.normalize(torch.randn(3, length, KEY, generator=generator, dtype=dtype), dim=-1)
    values = torch.randn(3, length, VALUE, generator=generator, dtype=dtype)
    return keys, values, torch.sigmoid(torch.randn(3, length, generator=generator, dtype=dtype)) * 0.4


def momentum_passes(keys: Tensor, values: Tensor, step: Tensor, forget: Tensor, passes: int, momentum: float = 0.9) -> Tensor:
    """Whole-segment passes of eqs. 10 and 13 from zero, with a fixed safe step and momentum."""
    weights = keys.new_zeros(len(keys), KEY, VALUE)
    surprise = torch.zeros_like(weights)
    bound = step.sum(1) + forget  # unit keys: no curvature is larger
    for _ in range(passes):
        error = keys @ weights - values
        gradient = (keys * step[..., None]).mT @ error + forget[:, None, None] * weights
        surprise = momentum * surprise - gradient / bound[:, None, None]
        weights = weights + surprise
    return weights


def test_it_is_what_endless_passes_with_momentum_reach():
    keys, values, step = case(16, torch.float64)
    forget = torch.full((3,), 0.05, dtype=torch.float64)
    target = ridge(keys, values, step, forget)
    torch.testing.assert_close(momentum_passes(keys, values, step, forget, 4_000), target, atol=1e-6, rtol=0)


@pytest.mark.parametrize("length", [1, 2, KEY - 1])
def test_few_tokens_with_hardly_any_forgetting_are_exact_and_finite(length):
    keys, values, step = case(length, torch.float64)
    weights = ridge(keys, values, step, torch.full((3,), 1e-10, dtype=torch.float64))
    torch.testing.assert_close(keys @ weights, values, atol=1e-4, rtol=0)


def test_no_tokens_leave_an_empty_memory():
    none = torch.zeros(1, 0, KEY), torch.zeros(1, 0, VALUE), torch.zeros(1, 0)
    assert torch.equal(ridge(*none, torch.full((1,), 0.1)), torch.zeros(1, KEY, VALUE))
