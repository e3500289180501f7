"""Chooses the device and the precision in which the networks run."""

import json
import math
import platform
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import lru_cache
from pathlib import Path

import torch
from platformdirs import user_cache_path

from model.bert import Layer
from model.config import EncoderConfig
from model.errors import ModelError

__all__ = ["bfloat16_is_faster", "choose_device", "reduced_precision"]

TOKENS = 128
"""Tokens of the text that is timed."""
TURNS = 16
SECONDS = 0.08
"""Seconds in which turns may start."""
GAIN = 1.1
"""Speed-up from which bfloat16 is used, because it loses digits."""


@lru_cache(maxsize=8)
def choose_device(name: str | None = None) -> torch.device:
    """The device called ``name``, such as "cpu", "cuda", "cuda:1" or "mps". Without a name: CUDA if available, else MPS, else the CPU.

    Raises ModelError if there is no such device.
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
    """Whether the device runs layers of the encoder's shape faster in bfloat16 than in float32.

    On a CPU this is measured once for each processor and version of torch; the processor's flags do not tell.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    file = user_cache_path("titans", appauthor=False) / "bfloat16.json"
    key = f"{processor()}, torch {torch.__version__}"
    known = remembered(file)
    if key not in known:
        known[key] = measure()
        with suppress(OSError):  # a folder that cannot be written to: measured again the next time
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(f".{time.monotonic_ns()}.part")
            part.write_text(json.dumps(known))
            part.replace(file)
    return known[key]


def remembered(file: Path) -> dict[str, bool]:
    """Earlier measurements; empty if the file is missing or damaged."""
    with suppress(OSError, ValueError, RecursionError):
        values = json.loads(file.read_text())
        if isinstance(values, dict) and all(isinstance(value, bool) for value in values.values()):
            return values
    return {}


def processor() -> str:
    """The processor's name."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model", "CPU part")):
                return line.partition(":")[2].strip()
    return f"{platform.processor()} {platform.machine()}".strip()


@torch.inference_mode()
def measure() -> bool:
    """Time a layer of the encoder in both precisions in turn, and compare the shortest times, which other programs disturb least."""
    config = EncoderConfig()
    with torch.random.fork_rng(devices=[]):  # training draws the same numbers whether this was measured or remembered
        layer, x = Layer(config), torch.randn(1, TOKENS, config.width)
    mask = torch.ones(1, 1, 1, TOKENS, dtype=torch.bool)
    shortest = [math.inf, math.inf]
    end = time.perf_counter() + SECONDS
    for turn in range(TURNS):
        begun = time.perf_counter()
        if begun > end and turn >= 2:
            break
        with torch.autocast("cpu", torch.bfloat16, enabled=turn % 2 == 1):
            layer(x, mask)
        shortest[turn % 2] = min(shortest[turn % 2], time.perf_counter() - begun)
    return shortest[0] > GAIN * shortest[1]


def reduced_precision(device: torch.device) -> AbstractContextManager:
    """A context in which matrix products run in bfloat16 where the device does that faster."""
    return torch.autocast(device.type, torch.bfloat16) if bfloat16_is_faster(device) else nullcontext()
