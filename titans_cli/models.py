"""The two networks with their weights, loaded when first needed."""

import hashlib
from functools import cached_property
from pathlib import Path

import tiktoken

from model import Core, Memorizer, choose_device, load_core, load_memorizer, load_tokenizer, weight_files
from model.config import CoreConfig, MemorizerConfig
from model.memorizer.tokenizer import RANKS
from model.recall.word_filter import LANES
from model.weights_file import WEIGHTS, load_config
from titans_cli.store.files import sha256_of_file
from titans_cli.store.shards import ShardShape

__all__ = ["Models"]


class Models:
    """Both networks on one device, and the fingerprint of their weights: those shipped, or others in ``folder``."""

    def __init__(self, folder: Path = WEIGHTS) -> None:
        self.folder = folder
        self.device = choose_device()

    @cached_property
    def memorizer(self) -> Memorizer:
        return load_memorizer(self.device, self.folder)

    @cached_property
    def core(self) -> Core:
        return load_core(self.device, self.folder)

    @cached_property
    def tokenizer(self) -> tiktoken.Encoding:
        return load_tokenizer(self.folder / RANKS.name)

    def load(self) -> None:
        """Load now what would be loaded when first needed."""
        _ = self.memorizer, self.core, self.tokenizer

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all weight files: memories and gists are only readable by the weights that wrote them."""
        digest = hashlib.sha256()
        for path in weight_files(self.folder):
            digest.update(bytes.fromhex(sha256_of_file(path)))
        return digest.hexdigest()

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
            gist=CoreConfig(**load_config(self.folder / "core.safetensors")).gist,
            lanes=LANES,
        )
