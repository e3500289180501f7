"""All gists of a snapshot in memory-mapped matrices: derived from the shards, and made again when missing."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from safetensors import SafetensorError, safe_open
from torch import Tensor

from model import Gists
from titans_cli.store.shards import lost, read_shard, shard_path, shard_sizes
from titans_cli.store.store import Snapshot, Store, StoredDocument

__all__ = ["MemoryIndex", "StoredMemories", "open_index"]

ARRAYS = ("vectors", "scales", "words", "owners", "starts")


@dataclass(frozen=True)
class StoredMemories:
    """Memories read from their shards, in stream order: everything that recitation needs."""

    weights: list[Tensor]  # of each, uint8 [rows, bytes]
    scales: Tensor  # float16 [m]
    pages: list[int | None]
    checksums: list[bytes]
    sentences: list[list[int]]  # tokens of each sentence


class MemoryIndex:
    """The gists of a snapshot's sentences, and where each memory lies. A memory's number is its place in the stream."""

    def __init__(self, home: Path, folder: Path, documents: Sequence[StoredDocument]):
        self.home = home
        self.documents = documents
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        self.gists = Gists(arrays["vectors"], arrays["scales"], arrays["words"])
        self.owners = arrays["owners"]
        self.starts = np.asarray(arrays["starts"])  # first memory of each document, and one past the last of all

    @property
    def memories(self) -> int:
        return int(self.starts[-1])

    def document_of(self, memory: int) -> int:
        """Number of the document that a memory belongs to."""
        return int(np.searchsorted(self.starts, memory, side="right")) - 1

    def wake(self, memories: Sequence[int]) -> StoredMemories:
        """Read ``memories`` from their shards, in the order given. Raises DamagedError."""
        weights, scales, pages, checksums, sentences = [], [], [], [], []
        for memory in memories:
            document = self.document_of(memory)
            path = shard_path(self.home, self.documents[document].shard)
            row = memory - int(self.starts[document])
            try:
                with safe_open(path, framework="pt") as file:
                    part = {name: file.get_slice(name)[row] for name in ("scales", "pages", "checksums")}
                    rows = file.get_tensor("rows").long()
                    end = int(rows[: row + 1].sum())
                    packed = file.get_slice("weights")[end - int(rows[row]) : end]
                    owners = file.get_tensor("owners")
                    low, high = torch.searchsorted(owners, torch.tensor([row, row + 1], dtype=owners.dtype)).tolist()
                    sizes = file.get_slice("sentences")[low:high].tolist()
            except (OSError, SafetensorError, IndexError) as error:
                raise lost(path, error) from error
            weights.append(packed)
            scales.append(part["scales"])
            pages.append(int(part["pages"]) or None)
            checksums.append(bytes(part["checksums"].tolist()))
            sentences.append(sizes)
        return StoredMemories(weights, torch.stack(scales), pages, checksums, sentences)


def build(store: Store, folder: Path, documents: Sequence[StoredDocument]) -> None:
    """Gather the gists of all shards into ``folder``, whole or not at all; holds those of one document at a time."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    sizes = [shard_sizes(store.home, document.shard) for document in documents]
    sentences = sum(size.sentences for size in sizes)
    width, lanes = (sizes[0].width, sizes[0].lanes) if sizes else (0, 0)
    shapes = {"vectors": (np.int8, (sentences, width)), "scales": (np.float16, (sentences,)), "owners": (np.int64, (sentences,))}
    arrays = {name: open_memmap(part / f"{name}.npy", "w+", dtype, shape) for name, (dtype, shape) in shapes.items() if sentences}
    if sentences:  # of the words, a lane lies in one piece
        arrays["words"] = open_memmap(part / "words.npy", "w+", np.uint64, (sentences, lanes), fortran_order=True)
    else:
        for name, (dtype, shape) in (shapes | {"words": (np.uint64, (0, lanes))}).items():
            np.save(part / f"{name}.npy", np.zeros(shape, dtype))
    starts, first = [0], 0
    for document in documents:
        shard = read_shard(store.home, document.shard)
        rows = slice(first, first + len(shard.gists))
        arrays["vectors"][rows] = shard.gists.numpy()
        arrays["scales"][rows] = shard.gist_scales.numpy()
        arrays["words"][rows] = shard.gist_words.numpy().view(np.uint64)
        arrays["owners"][rows] = shard.owners.numpy() + starts[-1]
        starts.append(starts[-1] + shard.memories)
        first = rows.stop
    for array in arrays.values():
        array.flush()
    np.save(part / "starts.npy", np.array(starts))
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)


def open_index(store: Store, snapshot: Snapshot) -> MemoryIndex:
    """The index of a snapshot, built when it is not there; other snapshots' are dropped."""
    folder = store.home / "cache" / snapshot.digest
    documents = store.documents(snapshot)
    if not all((folder / f"{name}.npy").exists() for name in ARRAYS):
        for old in folder.parent.glob("*"):
            shutil.rmtree(old, ignore_errors=True)
        build(store, folder, documents)
    return MemoryIndex(store.home, folder, documents)
