"""Checkpoints of a training run, and their export as shipped weights."""

from pathlib import Path

import torch
from torch import nn

from model.config import CoreConfig, MemorizerConfig
from model.weights_file import save_weights

__all__ = ["export", "resume", "save"]


def save(
    checkpoint: Path, model: nn.Module, config: CoreConfig | MemorizerConfig, optimiser: torch.optim.Optimizer, step: int, seconds: float
) -> None:
    """Write everything that ``resume`` needs; a run killed meanwhile leaves the checkpoint before it."""
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "seconds": seconds}
    part = checkpoint.with_suffix(".part")
    torch.save({**state, "config": config.as_dict()}, part)
    part.replace(checkpoint)


def resume(checkpoint: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[int, float]:
    """Load the checkpoint; returns its step and seconds."""
    saved = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(saved["model"])
    optimiser.load_state_dict(saved["optimiser"])
    return saved["step"], saved["seconds"]


def export(checkpoint: Path, target: Path) -> None:
    """Write the checkpoint's weights in float16 to ``target``."""
    saved = torch.load(checkpoint, weights_only=True)
    save_weights(target, saved["model"], saved["config"])
