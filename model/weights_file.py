"""Which weight files there are, and the configuration that each holds in its metadata. Needs no torch."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from model.errors import WeightsError

__all__ = ["RANKS", "WEIGHTS", "load_config", "weight_files"]

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the shipped weights."""

RANKS = WEIGHTS / "bpe32k.tiktoken"
"""The memorizer's vocabulary."""


def load_config(path: Path) -> dict:
    """The configuration in a weight file, without reading the weights. Raises WeightsError."""
    try:
        with safe_open(path, framework="np") as file:
            return json.loads((file.metadata() or {})["config"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"Cannot read the model weights {path}: {error}. Install titans again.") from error


def weight_files(folder: Path = WEIGHTS) -> list[Path]:
    """The files that determine how memories are written and read."""
    return [folder / name for name in ("bpe32k.tiktoken", "core.safetensors", "memorizer.safetensors", "wordpiece.json")]
