"""The networks with their weights. They are loaded, and torch with them, when first needed."""

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
    """The networks on one device, and the fingerprint of the weights that write memories: those shipped, or others in ``folder``.

    The reader is always the shipped one: it writes nothing.

    ``device``: cpu, cuda or mps; the fastest one that is there when not given.
    """

    def __init__(self, folder: Path = WEIGHTS, device: str | None = None) -> None:
        self.folder = folder
        self.device_name = device

    @cached_property
    def device(self) -> torch.device:
        """Decided once. Raises UsageError for a device that is not there."""
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
        return reader_of(self.device)

    @cached_property
    def tokenizer(self) -> tiktoken.Encoding:
        return model.load_tokenizer(self.folder / RANKS.name)

    def load(self) -> None:
        """Load now what would be loaded when first needed."""
        _ = self.memorizer, self.encoder, self.reader, self.tokenizer

    @cached_property
    def fingerprint(self) -> str:
        """See ``fingerprint_of``."""
        return fingerprint_of(self.folder)

    @cached_property
    def shape(self) -> ShardShape:
        """What the shards look like that these networks write; told from the weights' configurations alone."""
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


@lru_cache(maxsize=2)
def reader_of(device: torch.device) -> model.Reader:
    return model.load_reader(device, encoder_of(WEIGHTS, device))
