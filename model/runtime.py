"""Where and in what precision the networks run, decided once."""

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch

from model.errors import ModelError

__all__ = ["bfloat16_is_faster", "choose_device", "reduced_precision"]


@lru_cache(maxsize=8)
def choose_device(name: str | None = None) -> torch.device:
    """The device called ``name``, as "cpu", "cuda", "cuda:1" or "mps"; without a name CUDA when there is one, else MPS, else the CPU.

    Raises ModelError when there is no such device.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise ModelError(f"Unknown device {name!r}. Use cpu, cuda, cuda:N or mps.")
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[device.type]
    if (device.index or 0) >= count:
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())), *(["mps"] if torch.backends.mps.is_available() else [])]
        raise ModelError(f"The device {name!r} is not available here. Use {' or '.join(there)}.")
    return device


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
