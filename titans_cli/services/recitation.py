"""Recites stored memories and verifies them; the only place that does."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

import numpy as np
import torch

from model import checksum, recite, sentence_texts
from titans_cli.models import Models
from titans_cli.services.threads import in_order
from titans_cli.store import MemoryIndex, Shard, StoredMemories

__all__ = ["Recited", "recite_many", "recite_memories", "recite_shard"]

BATCH = 64
"""Memories that are recited in one batch."""


@dataclass(frozen=True)
class Recited:
    """A recited memory."""

    memory: int  # its number in the index or the shard that it was read from
    tokens: tuple[int, ...]
    text: str
    sentences: tuple[tuple[int, int], ...]  # characters of each in ``text``
    page: int | None
    verbatim: bool  # the checksum is that of the text which was memorized


def recite_memories(models: Models, index: MemoryIndex, memories: Sequence[int]) -> list[Recited]:
    """Recite ``memories`` in one batch, in the order given. Raises DamagedError."""
    return recite_stored(models, memories, index.read(memories)) if len(memories) else []


def recite_many(models: Models, index: MemoryIndex, memories: Iterable[int], threads: int = 1) -> Iterator[Recited]:
    """Recite ``memories`` in ascending order, ``threads`` batches at the same time (see ``threads.parallel``). Raises DamagedError."""
    todo = sorted(memories)
    batches = (todo[first : first + BATCH] for first in range(0, len(todo), BATCH))
    for batch in in_order(partial(recite_memories, models, index), batches, threads):
        yield from batch


def recite_shard(models: Models, shard: Shard) -> Iterator[Recited]:
    """Recite all memories of a shard, in its order."""
    weights = np.split(shard.weights, np.cumsum(shard.rows, dtype=np.int64)[:-1])
    pages, checksums = [page or None for page in shard.pages.tolist()], [bytes(row) for row in shard.checksums.tolist()]
    sentences: list[list[int]] = [[] for _ in weights]
    for owner, size in zip(shard.owners.tolist(), shard.sentences.tolist(), strict=True):
        sentences[owner].append(size)
    for first in range(0, shard.memories, BATCH):
        part = slice(first, min(first + BATCH, shard.memories))
        stored = StoredMemories(list(weights[part]), shard.scales[part], pages[part], checksums[part], sentences[part])
        yield from recite_stored(models, range(part.start, part.stop), stored)


def recite_stored(models: Models, numbers: Sequence[int], stored: StoredMemories) -> list[Recited]:
    """Recite memories that were read from the store, and compare each with its checksum."""
    weights, scales = [torch.tensor(rows) for rows in stored.weights], torch.tensor(stored.scales)
    rows = recite(models.memorizer, weights, scales, [sum(sizes) for sizes in stored.sentences])
    recited = []
    for number, row, sizes, page, digest in zip(numbers, rows, stored.sentences, stored.pages, stored.checksums, strict=True):
        texts = sentence_texts(models.tokenizer, row, sizes)
        ends = list(accumulate(map(len, texts)))
        spans = tuple((end - len(text), end) for text, end in zip(texts, ends, strict=True))
        recited.append(Recited(number, tuple(row), "".join(texts), spans, page, checksum(row) == digest))
    return recited
