"""Quantization of memory weights: rounded to a few bits with one scale a memory, and packed.

The levels lie evenly around zero, and zero is not one of them: with one bit a weight is its sign times the scale. The
step is the best one for normally distributed weights (Max 1960, table II).
"""

# b memory · k key feature (row) · v value feature (column)

import numpy as np
import torch
from torch import Tensor

from model.config import BITS

__all__ = ["STEPS", "dequantize", "pack", "quantize", "quantize_compensated", "unpack"]

STEPS = dict(zip(BITS, (1.596, 0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.0308), strict=True))
"""Distance between levels, in standard deviations of the weights, by bits."""
WIDE = 2.0
"""Factor on the step where rounding can be made up for: weights that make up for others are larger."""


def scales_of(weights: Tensor, rows: Tensor, bits: int) -> Tensor:
    """The step [b] between levels, float16, for weights [b, k, v] of which the first ``rows`` [b] rows count."""
    spread = (weights.square().sum((1, 2)) / (rows * weights.shape[2])).sqrt()
    return (spread * STEPS[bits]).nan_to_num(0).clamp(1e-6, 3e4).half()


def nearest(weights: Tensor, scales: Tensor, bits: int) -> Tensor:
    """Codes uint8 of the levels nearest to ``weights`` [b, ..., v]."""
    scales = scales.float().view(-1, *[1] * (weights.dim() - 1))
    codes = (weights / scales + (2**bits - 1) / 2).round()
    return codes.nan_to_num(0).clamp(0, 2**bits - 1).to(torch.uint8)


def quantize(weights: Tensor, rows: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Round [b, k, v], of which the first ``rows`` [b] rows count: (codes uint8 [b, k, v], scales float16 [b])."""
    scales = scales_of(weights, rows, bits)
    return nearest(weights, scales, bits), scales


def quantize_compensated(weights: Tensor, rows: Tensor, tokens: Tensor, bits: int, curvature: Tensor) -> tuple[Tensor, Tensor]:
    """As ``quantize``, but row by row, where later rows compensate for the rounding of earlier ones (GPTQ, arXiv 2210.17323).

    ``curvature`` [b, k, k] of the loss tells how. Much better than ``quantize`` for few ``tokens`` [b], because the memory then has room to
    compensate, the more so with wide levels; no better if there are as many tokens as rows. Slower: one step per row.
    """
    scales = scales_of(weights, rows, bits) * torch.where(2 * tokens <= rows, WIDE, 1.0).half()
    spread = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(curvature)), upper=True)
    spread = spread / spread.diagonal(dim1=1, dim2=2)[:, :, None]
    weights = weights.clone()
    codes = torch.empty_like(weights, dtype=torch.uint8)
    for row in range(weights.shape[1]):
        codes[:, row] = nearest(weights[:, row], scales, bits)
        error = weights[:, row] - dequantize(codes[:, row : row + 1], scales, bits)[:, 0]
        weights[:, row + 1 :] -= spread[:, row, row + 1 :, None] * error[:, None]
    return codes, scales


def dequantize(codes: Tensor, scales: Tensor, bits: int) -> Tensor:
    """Float32 weights [b, k, v] from the result of ``quantize``."""
    return (codes.float() - (2**bits - 1) / 2) * scales.float()[:, None, None]


def pack(codes: Tensor, bits: int) -> Tensor:
    """Codes uint8 [k, v] as uint8 [k, v·bits/8]; v·bits must be a multiple of 8."""
    planes = np.unpackbits(codes.numpy()[..., None], axis=-1)[..., 8 - bits :]
    return torch.from_numpy(np.packbits(planes.reshape(len(codes), -1), axis=-1))


def unpack(packed: Tensor, bits: int) -> Tensor:
    """Codes uint8 [k, v] from the result of ``pack``."""
    planes = np.unpackbits(packed.numpy(), axis=-1).reshape(len(packed), -1, bits)
    return torch.from_numpy(np.packbits(planes, axis=-1)[..., 0] >> (8 - bits))
