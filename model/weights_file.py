"""Reading and writing of weight files: float16 safetensors whose metadata holds the configuration."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.errors import WeightsError

__all__ = ["WEIGHTS", "load_weights", "save_weights"]

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the shipped weights."""


def save_weights(path: Path, state: dict[str, Tensor], config: dict) -> None:
    """Write ``state`` in float16, and ``config`` as JSON in the file's metadata."""
    save_file({name: tensor.half().contiguous() for name, tensor in state.items()}, path, {"config": json.dumps(config)})


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Float32 tensors by name, and the configuration. Raises WeightsError when the file is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {})["config"])
            state = {name: file.get_tensor(name).to(torch.float32) for name in file.keys()}
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"Cannot read the model weights {path}: {error}. Install titans again.") from error
    return state, config
