"""Where and in what precision the networks run, decided once."""

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch

__all__ = ["bfloat16_is_faster", "choose_device", "reduced_precision"]


@lru_cache(maxsize=1)
def choose_device() -> torch.device:
    """CUDA when there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@lru_cache(maxsize=4)
def bfloat16_is_faster(device: torch.device) -> bool:
    """True where the processor multiplies bfloat16 matrices itself."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # no public name before torch 2.10's get_capabilities
    return device.type == "cpu" and supported is not None and supported()


def reduced_precision(device: torch.device) -> AbstractContextManager:
    """A context in which the core's matrix products run in bfloat16 where the device does that faster."""
    return torch.autocast(device.type, torch.bfloat16) if bfloat16_is_faster(device) else nullcontext()
