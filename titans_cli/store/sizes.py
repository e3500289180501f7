"""Counts what a shard holds, without loading torch."""

from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

from titans_cli.errors import DamagedError
from titans_cli.store.files import shard_path

__all__ = ["ShardSizes", "lost", "shard_sizes"]


class ShardSizes(NamedTuple):
    """How much a shard holds."""

    rows: int  # of all memories' weights
    row_bytes: int
    sentences: int
    width: int  # of a sentence vector
    lanes: int  # of its filter of words


def shard_sizes(home: Path, digest: str) -> ShardSizes:
    """The sizes, from the shard's header alone. Raises DamagedError."""
    path = shard_path(home, digest)
    try:
        with safe_open(path, framework="numpy") as file:
            sentences, width = file.get_slice("gists").get_shape()
            rows, row_bytes = file.get_slice("weights").get_shape()
            return ShardSizes(rows, row_bytes, sentences, width, file.get_slice("gist_words").get_shape()[1])
    except (OSError, SafetensorError, ValueError, IndexError) as error:
        raise lost(path, error) from error


def lost(path: Path, error: Exception) -> DamagedError:
    return DamagedError(f"Cannot read {path} ({error}). Import a backup, or memorize the document again.")
