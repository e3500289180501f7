"""The networks with their weights. They and torch are loaded on first use."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import model
from model.config import EncoderConfig, MemorizerConfig
from model.recall.word_filter import LANES
from model.weights_file import RANKS, WEIGHTS, load_config
from titans_cli.errors import UsageError
from titans_cli.fingerprint import fingerprint_of
from titans_cli.store import ShardShape

if TYPE_CHECKING:
    import tiktoken
    import torch

__all__ = ["Models"]


class Models:
    """The networks on one device and the fingerprint of their weights: the shipped ones, or those in ``folder``.

    ``device`` is cpu, cuda or mps. Default: the fastest available.
    """

    def __init__(self, folder: Path = WEIGHTS, device: str | None = None) -> None:
        self.folder = folder
        self.device_name = device

    @cached_property
    def device(self) -> torch.device:
        """The device, chosen once. Raises UsageError if it is not available."""
        try:
            return model.choose_device(self.device_name)
        except model.ModelError as error:
            raise UsageError(str(error)) from error

    @cached_property
    def memorizer(self) -> model.Memorizer:
        return memorizer_of(self.folder, self.device)

    @cached_property
    def encoder(self) -> model.Encoder:
        return encoder_of(self.folder, self.device)

    @cached_property
    def reader(self) -> model.Reader:
        return model.Reader(self.encoder)

    @cached_property
    def tokenizer(self) -> tiktoken.Encoding:
        return model.load_tokenizer(self.folder / RANKS.name)

    def load(self) -> None:
        """Load now what would otherwise be loaded on first use."""
        _ = self.memorizer, self.encoder, self.reader, self.tokenizer

    @cached_property
    def fingerprint(self) -> str:
        """See ``fingerprint_of``."""
        return fingerprint_of(self.folder)

    @cached_property
    def shape(self) -> ShardShape:
        """The shape of the shards that these networks write, from the configurations alone."""
        memorizer = MemorizerConfig.from_dict(load_config(self.folder / "memorizer.safetensors"))
        memory = memorizer.memory
        return ShardShape(
            fingerprint=self.fingerprint,
            row_bytes=memory.value * memory.bits // 8,
            least_rows=memory.later + memory.rows_step,
            most_rows=memory.rows,
            rows_step=memory.rows_step,
            segment=memorizer.segment,
            vector=EncoderConfig.from_dict(load_config(self.folder / "core.safetensors")).vector,
            lanes=LANES,
        )


@lru_cache(maxsize=2)  # once in a process: the shipped one, and that of older weights
def memorizer_of(folder: Path, device: torch.device) -> model.Memorizer:
    return model.load_memorizer(device, folder)


@lru_cache(maxsize=2)
def encoder_of(folder: Path, device: torch.device) -> model.Encoder:
    return model.load_encoder(device, folder)
