"""Many memories recited, side by side on all cores."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

import torch
from tiktoken import Encoding

from model import Gists, Memorizer, checksum, recite, sentence_texts
from titans_cli.models import Models
from titans_cli.services.threads import in_order
from titans_cli.store import MemoryIndex

__all__ = ["Recited", "gists_of", "recite_many"]

BATCH = 64
"""Memories recited at once."""


@dataclass(frozen=True)
class Recited:
    """A memory, recited. ``sentences`` are the characters of each."""

    memory: int
    tokens: tuple[int, ...]
    text: str
    sentences: tuple[tuple[int, int], ...]
    page: int | None
    verbatim: bool  # the checksum is that of the text which was memorized


def gists_of(index: MemoryIndex) -> Gists:
    """The sentence vectors and word filters of an index, as the model takes them; memory-mapped."""
    return Gists(index.vectors, index.scales, index.words)


def recite_many(models: Models, index: MemoryIndex, memories: Iterable[int], threads: int = 1) -> Iterator[Recited]:
    """Recite ``memories`` in their order, in ``threads`` batches at once (see ``memorize.parallel``). Raises DamagedError."""
    todo = sorted(memories)
    batches = (todo[first : first + BATCH] for first in range(0, len(todo), BATCH))
    work = partial(recite_batch, models.memorizer, models.tokenizer, index)
    for batch in in_order(work, batches, threads):
        yield from batch


def recite_batch(memorizer: Memorizer, tokenizer: Encoding, index: MemoryIndex, memories: Sequence[int]) -> list[Recited]:
    stored = index.wake(memories)
    rows = recite(
        memorizer,
        [torch.from_numpy(w) for w in stored.weights],
        torch.from_numpy(stored.scales),
        [sum(sizes) for sizes in stored.sentences],
    )
    recited = []
    for memory, row, sizes, page, digest in zip(memories, rows, stored.sentences, stored.pages, stored.checksums, strict=True):
        texts = sentence_texts(tokenizer, row, sizes)
        ends = list(accumulate(map(len, texts)))
        spans = tuple((end - len(text), end) for text, end in zip(texts, ends, strict=True))
        recited.append(Recited(memory, tuple(row), "".join(texts), spans, page, checksum(row) == digest))
    return recited
