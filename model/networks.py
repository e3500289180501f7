"""Loads networks from weight files and saves them: float16 safetensors with the configuration in the metadata."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from model.errors import WeightsError
from model.weights_file import load_config

__all__ = ["embedding", "initial", "load_network", "load_weights", "save_weights"]

Network = TypeVar("Network", bound=nn.Module)
State = dict[str, Tensor]


def initial(shape: tuple[int, ...], fill: Callable[[], Tensor]) -> nn.Parameter:
    """A parameter that starts as ``fill()``, or is left empty on the meta device.

    Networks whose weights come from a file are made on that device. There, any computation would load torch's compiler, which takes longer
    than the rest of a start.
    """
    empty = torch.empty(shape)
    return nn.Parameter(empty if empty.is_meta else fill())


def embedding(entries: int, width: int) -> nn.Embedding:
    """A table of vectors that starts random, see ``initial``."""
    return nn.Embedding(entries, width, _weight=initial((entries, width), lambda: torch.randn(entries, width)))


def save_weights(path: Path, state: dict[str, Tensor], config: dict) -> None:
    """Write ``state``, with numbers as float16 and indices as int16, and ``config`` as JSON in the file's metadata."""
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor.short() for name, tensor in state.items()}
    save_file({name: tensor.contiguous() for name, tensor in halves.items()}, path, {"config": json.dumps(config)})


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Float32 and int64 tensors by name (bytes stay bytes), and the configuration.

    Raises WeightsError when the file is missing or damaged.
    """
    config = load_config(path)
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"Cannot read the model weights {path}: {error}. Install titans again.") from error
    return {name: t.float() if t.is_floating_point() else t.long() if t.dtype == torch.int16 else t for name, t in state.items()}, config


def load_network(
    path: Path, make: Callable[[dict], Network], device: torch.device, unpack: Callable[[State], State] = lambda state: state
) -> Network:
    """The network that ``make`` builds from the configuration in ``path``, with its weights, ready to run on ``device``.

    ``unpack`` makes the network's tensors of those in the file. Raises WeightsError.
    """
    state, config = load_weights(path)
    try:
        state = unpack(state)
        with torch.device("meta"):
            network = make(config)
        network.load_state_dict(state, assign=True)
    except (KeyError, RuntimeError, TypeError) as error:
        raise WeightsError(f"The model weights {path} do not fit this program: {error}. Install titans again.") from error
    return network.to(device).eval().requires_grad_(False)
