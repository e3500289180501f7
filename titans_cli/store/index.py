"""All sentence vectors of a snapshot in memory-mapped matrices, derived from the shards and rebuilt when missing."""

import math
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from titans_cli.errors import DamagedError, TitansError
from titans_cli.store.catalog import Catalog
from titans_cli.store.files import make_folder, naming, part_of, remove_folder, shard_path, sync_folder
from titans_cli.store.garbage import drop_indexes
from titans_cli.store.records import Snapshot, StoredDocument, digest_of
from titans_cli.store.shards import read_shard
from titans_cli.store.sizes import lost, shard_sizes

__all__ = ["MemoryIndex", "StoredMemories", "open_index"]

ARRAYS = ("vectors", "scales", "words", "owners", "starts")
ATTEMPTS = 5
"""Attempts to open an index; an attempt fails only if another process interferes."""


@dataclass(frozen=True)
class StoredMemories:
    """Memories read from their shards, in stream order, with everything that recitation needs."""

    weights: list[np.ndarray]  # of each, uint8 [rows, bytes]
    scales: np.ndarray  # float16 [m]
    pages: list[int | None]
    checksums: list[bytes]
    sentences: list[list[int]]  # tokens of each sentence


class MemoryIndex:
    """The vectors and word filters of a snapshot's sentences, and the place of each memory.

    A memory's number is its position in the stream.
    """

    def __init__(self, home: Path, folder: Path, documents: Sequence[StoredDocument]):
        self.home = home
        self.documents = documents
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        self.vectors = arrays["vectors"]  # of sentences, int8 [s, g]
        self.scales = arrays["scales"]  # of vectors, float16 [s]
        self.words = arrays["words"]  # of sentences, filters, uint64 [s, l]
        self.owners = arrays["owners"]
        self.starts = np.asarray(arrays["starts"])  # first memory of each document, and one past the last of all

    @property
    def memories(self) -> int:
        return int(self.starts[-1])

    def document_of(self, memory: int) -> int:
        """The number of the document that a memory belongs to."""
        return int(np.searchsorted(self.starts, memory, side="right")) - 1

    def read(self, memories: Sequence[int]) -> StoredMemories:
        """Read ``memories`` from their shards, in the order given. Raises DamagedError."""
        weights, scales, pages, checksums, sentences = [], [], [], [], []
        for memory in memories:
            document = self.document_of(memory)
            path = shard_path(self.home, self.documents[document].shard)
            row = memory - int(self.starts[document])
            try:
                with safe_open(path, framework="numpy") as file:
                    part = {name: file.get_slice(name)[row : row + 1][0] for name in ("scales", "pages", "checksums")}
                    rows = file.get_tensor("rows").astype(np.int64)
                    end = int(rows[: row + 1].sum())
                    packed = file.get_slice("weights")[end - int(rows[row]) : end]
                    low, high = np.searchsorted(file.get_tensor("owners"), [row, row + 1]).tolist()
                    sizes = file.get_slice("sentences")[low:high].tolist()
            except (OSError, SafetensorError, IndexError) as error:
                raise lost(path, error) from error
            weights.append(packed)
            scales.append(part["scales"])
            pages.append(int(part["pages"]) or None)
            checksums.append(bytes(part["checksums"].tolist()))
            sentences.append(sizes)
        return StoredMemories(weights, np.stack(scales), pages, checksums, sentences)


class ArrayFile:
    """An array that is written to a file in pieces. Memory-mapping would be shorter, but a full disk would then kill the process."""

    def __init__(self, path: Path, dtype: type, shape: tuple[int, ...], by_column: bool = False):
        self.path, self.dtype, self.shape, self.by_column = path, np.dtype(dtype), shape, by_column
        self.file = path.open("wb")
        facts = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": by_column, "shape": shape}
        with naming(path):
            np.lib.format.write_array_header_1_0(self.file, facts)
        self.begin = self.file.tell()

    def write(self, first: int, rows: np.ndarray) -> None:
        """Write ``rows`` at row ``first``."""
        with naming(self.path):
            for column, part in enumerate(rows.T if self.by_column else [rows]):
                row = first + column * self.shape[0] if self.by_column else first * math.prod(self.shape[1:])
                self.file.seek(self.begin + row * self.dtype.itemsize)
                self.file.write(np.ascontiguousarray(part, self.dtype).data)

    def finish(self) -> None:
        """Wait until everything is on disk."""
        with naming(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())


def build(store: Catalog, folder: Path, documents: Sequence[StoredDocument]) -> None:
    """Collect the sentence vectors of all shards in ``folder``, atomically; holds those of one document at a time.

    Raises FileNotFoundError if another process deletes the unfinished folder.
    """
    make_folder(folder.parent)
    part = part_of(folder)
    part.mkdir()
    try:
        fill(store, part, documents)
        sync_folder(part)
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            remove_folder(part)  # another process was faster
        sync_folder(folder.parent)
    except BaseException:
        with suppress(OSError):  # on a failing disk; what went wrong first is what is told
            remove_folder(part)
        raise


def fill(store: Catalog, part: Path, documents: Sequence[StoredDocument]) -> None:
    sizes = [shard_sizes(store.home, document.shard) for document in documents]
    sentences = sum(size.sentences for size in sizes)
    width, lanes = (sizes[0].width, sizes[0].lanes) if sizes else (0, 0)
    with ExitStack() as files:

        def array(name: str, dtype: type, *shape: int, by_column: bool = False) -> ArrayFile:
            made = ArrayFile(part / f"{name}.npy", dtype, shape, by_column)
            files.enter_context(made.file)
            return made

        vectors, scales = array("vectors", np.int8, sentences, width), array("scales", np.float16, sentences)
        words = array("words", np.uint64, sentences, lanes, by_column=True)  # a lane lies in one piece
        owners, starts = array("owners", np.int64, sentences), array("starts", np.int64, len(documents) + 1)
        memories = [0]
        first = 0
        for document in documents:
            shard = read_shard(store.home, document.shard)
            vectors.write(first, shard.gists)
            scales.write(first, shard.gist_scales)
            words.write(first, shard.gist_words.view(np.uint64))
            owners.write(first, shard.owners + np.int64(memories[-1]))
            memories.append(memories[-1] + shard.memories)
            first += len(shard.gists)
        starts.write(0, np.array(memories))
        for made in (vectors, scales, words, owners, starts):
            made.finish()


def open_index(store: Catalog, snapshot: Snapshot) -> MemoryIndex:
    """The index of a snapshot, built if needed. If it is the head's, other indexes are deleted.

    Readers do this beside a writer and beside each other. A reader that finds that its index was deleted or its documents forgotten looks
    again; one that has built an index of documents forgotten in between deletes it.
    """
    for _ in range(ATTEMPTS):
        current = store.current(snapshot)
        documents = store.documents(current)
        digest = digest_of(documents, current.fingerprint)
        folder = store.home / "cache" / digest
        try:
            if not folder.is_dir():
                build(store, folder, documents)
            index = MemoryIndex(store.home, folder, documents)
        except (FileNotFoundError, EOFError, ValueError):  # it was taken away, or is not whole
            remove_folder(folder)
            continue
        except DamagedError:
            if store.documents(store.current(snapshot)) == documents:
                raise
            continue
        if store.documents(store.current(snapshot)) == documents:
            head = store.head()
            if head is not None and head.digest == digest:
                drop_indexes(store.home, digest, unfinished=False)
            return index
        remove_folder(folder)
    raise TitansError(f"Other processes keep changing {store.home}. Run the same command again.")
