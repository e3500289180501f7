"""Six-bit weights: 64 neighbours of a row share a scale, as in llama.cpp's block formats; biases and norms stay float16."""

# n weight · g group of weights

import torch
from torch import Tensor

__all__ = ["GROUP", "pack_state", "quantize", "unpack_state"]

GROUP = 64
"""Weights that share a scale."""
LARGEST = 31
"""Integers go from −31 to 31."""


def quantize(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Integers −31 to 31 as int8 [g, 64] and their scales, float16 [g, 1], each the best of several by squared error."""
    groups = tensor.float().reshape(-1, GROUP)
    top = groups.abs().amax(1, keepdim=True).clamp_min(1e-8)
    best, scale = torch.full_like(top, torch.inf), top / LARGEST
    for share in (1.0, 0.95, 0.9, 0.85, 0.8):
        trial = (top * share / LARGEST).half().float().clamp_min(6e-8)
        error = ((groups / trial).round().clamp(-LARGEST, LARGEST) * trial - groups).square().sum(1, keepdim=True)
        scale = torch.where(error < best, trial, scale)
        best = torch.minimum(best, error)
    return (groups / scale).round().clamp(-LARGEST, LARGEST).to(torch.int8), scale.half()


def pack_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors to store: matrices in six bits, the rest in float16.

    Of a matrix, ``.low`` has the low four bits of its first half beside those of its second, ``.high`` the high two bits of its
    four quarters side by side, both uint8; ``.scale`` is float16.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if tensor.dim() < 2 or tensor.numel() < 10_000:
            packed[name] = tensor.half().contiguous()
            continue
        integers, scales = quantize(tensor)
        raised = (integers.to(torch.int16) + 32).to(torch.uint8).reshape(-1)
        low, high = (raised & 15).reshape(2, -1), (raised >> 4).reshape(4, -1)
        packed[f"{name}.low"] = low[0] | low[1] << 4
        packed[f"{name}.high"] = high[0] | high[1] << 2 | high[2] << 4 | high[3] << 6
        packed[f"{name}.scale"] = scales.reshape(*tensor.shape[:-1], -1)
    return packed


def unpack_state(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float32 tensors by name."""
    state = {}
    for name, tensor in packed.items():
        stem, _, part = name.rpartition(".")
        if part == "scale":
            low, high = packed[f"{stem}.low"], packed[f"{stem}.high"]
            raised = torch.cat([low & 15, low >> 4]).reshape(4, -1)
            for quarter, bits in enumerate((0, 2, 4, 6)):
                raised[quarter] |= (high >> bits & 3) << 4
            weights = raised.reshape(*tensor.shape, GROUP).float().sub_(32).mul_(tensor[..., None].float())
            state[stem] = weights.flatten(-2)
        elif part not in ("low", "high"):
            state[name] = tensor.float()
    return state
