"""Checkpoints of a training run, and their export as shipped weights."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from model.config import EncoderConfig, MemorizerConfig
from model.networks import save_weights
from model.reader.network import ReaderConfig

__all__ = ["export", "resume", "save"]


def save(
    checkpoint: Path,
    model: nn.Module,
    config: EncoderConfig | MemorizerConfig | ReaderConfig,
    optimiser: torch.optim.Optimizer,
    step: int,
    seconds: float,
    helper: nn.Module | None = None,
) -> None:
    """Write everything that ``resume`` needs; a run killed meanwhile leaves the checkpoint before it.

    A ``helper`` is a network that only training needs.
    """
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "seconds": seconds}
    if helper is not None:
        state["helper"] = helper.state_dict()
    part = checkpoint.with_suffix(".part")
    torch.save({**state, "config": config.as_dict()}, part)
    part.replace(checkpoint)


def resume(checkpoint: Path, model: nn.Module, optimiser: torch.optim.Optimizer, helper: nn.Module | None = None) -> tuple[int, float]:
    """Load the checkpoint; returns its step and seconds."""
    device = next(model.parameters()).device
    saved = torch.load(checkpoint, weights_only=True, map_location=device)
    model.load_state_dict(saved["model"])
    if helper is not None:
        helper.load_state_dict(saved["helper"])
    optimiser.load_state_dict(saved["optimiser"])
    return saved["step"], saved["seconds"]


def export(checkpoints: Sequence[Path], target: Path) -> None:
    """Write the weights in float16 to ``target``: the checkpoint's, or the mean of several (model soups, arXiv 2203.05482).

    A checkpoint that is given twice counts twice. All must be of one configuration.
    """
    saved = [torch.load(checkpoint, weights_only=True, map_location="cpu") for checkpoint in checkpoints]
    if any(other["config"] != saved[0]["config"] for other in saved):
        raise ValueError("The checkpoints are of different configurations.")
    mean = {name: torch.stack([one["model"][name].float() for one in saved]).mean(0) for name in saved[0]["model"]}
    save_weights(target, mean, saved[0]["config"])
