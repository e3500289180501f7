"""From a document's text to its shard: write, recite back, make gists. Nothing is stored here."""

import ctypes
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from typing import Protocol, TypeVar

import numpy as np
import torch

from ingest import Document, Segment, SourceError, segments
from model import MemorizeError, encode_sentences, memorize, sentence_texts
from titans_cli.models import Models
from titans_cli.store import NewDocument, Shard, pack_shard

__all__ = ["Learned", "Memorized", "Progress", "Unheard", "in_order", "learn", "memorize_documents", "parallel"]

GROUP = 32
"""Segments written at once. Every document's groups begin with it, so that its memories depend on it alone."""
AHEAD = 2
"""Groups that wait, for each thread: bounds what is held in memory."""
MOST_THREADS = 4
"""Groups written at the same time; each takes about 150 MB."""
ARENAS = -8
"""glibc's M_ARENA_MAX."""

Job = tuple[Document | SourceError, list[Segment]]
Item = TypeVar("Item")
Result = TypeVar("Result")


class Progress(Protocol):
    """What an ingest tells while it runs."""

    def begin(self, files: int, size: int) -> None: ...
    def file(self, name: str, pages: int | None, size: int) -> None: ...
    def page(self, number: int | None, tokens: int, share: float) -> None: ...
    def done(self, size: int) -> None: ...


class Unheard:
    """Progress that nobody looks at."""

    def begin(self, files: int, size: int) -> None: ...
    def file(self, name: str, pages: int | None, size: int) -> None: ...
    def page(self, number: int | None, tokens: int, share: float) -> None: ...
    def done(self, size: int) -> None: ...


@dataclass(frozen=True)
class Memorized:
    """A document's memories, each of which was recited word for word."""

    document: Document
    shard: Shard
    tokens: int


@dataclass(frozen=True)
class Learned:
    """What is recorded of a memorized document, and what there is to tell about it. Small: a machine can hand it to another."""

    document: NewDocument
    shard_bytes: int
    memory_bytes: int  # of weights and scales
    empty_pages: tuple[int, ...] = ()
    failed_pages: tuple[tuple[int, str], ...] = ()
    encoding: str | None = None  # of a text file


@dataclass(frozen=True)
class Group:
    """Consecutive memories of a document."""

    shard: Shard
    tokens: int
    characters: int


def memorize_documents(
    models: Models, documents: Iterable[Document | SourceError], progress: Progress
) -> Iterator[Memorized | SourceError]:
    """Memories of ``documents``, in their order; a SourceError for each that is one, or whose text cannot be written.

    Groups of segments are written side by side, one on each core, also those of different documents.
    """
    with parallel(models.device) as threads:
        results = in_order(partial(write_group, models), groups_of(models, documents), threads)
        for document, parts in groupby(results, itemgetter(0)):
            yield document if isinstance(document, SourceError) else gather(document, (part for _, part in parts), progress)
            release_memory()


def groups_of(models: Models, documents: Iterable[Document | SourceError]) -> Iterator[Job]:
    for document in documents:
        if isinstance(document, SourceError):
            yield document, []
        else:
            stream = segments(document, models.tokenizer.encode_ordinary, models.memorizer.config.segment)
            while group := list(islice(stream, GROUP)):
                yield document, group


@contextmanager
def parallel(device: torch.device) -> Iterator[int]:
    """How many groups to write at once. On a CPU every one gets a core of its own: nothing waits for the slowest part of a product."""
    before = torch.get_num_threads()
    threads = min(before, MOST_THREADS) if device.type == "cpu" else 1
    limit_arenas(threads)
    torch.set_num_threads(max(1, before // threads))
    try:
        yield threads
    finally:
        torch.set_num_threads(before)


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """``work`` done on ``items`` in several threads; results in the items' order. Items are taken only ``AHEAD`` of need."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, "memorizer") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def write_group(models: Models, job: Job) -> tuple[Document | SourceError, Group | SourceError]:
    document, group = job
    if isinstance(document, SourceError):
        return document, document
    try:
        memories = memorize(models.memorizer, models.tokenizer, [[list(s) for s in segment.sentences] for segment in group])
    except MemorizeError as error:
        return document, SourceError(document.source.path, str(error))
    pages = [group[m.segment].page or 0 for m in memories]
    texts, text_pages = [], []
    for memory, page in zip(memories, pages, strict=True):
        texts += sentence_texts(models.tokenizer, memory.tokens, memory.sentences)
        text_pages += [page] * len(memory.sentences)
    gists = encode_sentences(models.encoder, texts, text_pages)
    shard = Shard(
        weights=torch.cat([m.weights for m in memories]),
        rows=torch.tensor([len(m.weights) for m in memories], dtype=torch.uint8),
        scales=torch.stack([m.scale for m in memories]),
        pages=torch.tensor(pages, dtype=torch.int32),
        checksums=torch.tensor([list(m.checksum) for m in memories], dtype=torch.uint8),
        sentences=torch.tensor([size for m in memories for size in m.sentences], dtype=torch.int16),
        owners=torch.tensor([i for i, m in enumerate(memories) for _ in m.sentences], dtype=torch.int32),
        gists=torch.from_numpy(gists.vectors),
        gist_scales=torch.from_numpy(gists.scales),
        gist_words=torch.from_numpy(gists.words.view(np.int64)),
    )
    return document, Group(shard, sum(len(m.tokens) for m in memories), sum(map(len, texts)))


def gather(document: Document, parts: Iterable[Group | SourceError], progress: Progress) -> Memorized | SourceError:
    """One shard of a document's groups, or the first error."""
    progress.file(document.source.name, document.pages[-1].number, document.size)
    characters, written = sum(len(page.text) for page in document.pages), 0
    groups: list[Group] = []
    for part in parts:
        if isinstance(part, SourceError):
            return part
        groups.append(part)
        written += part.characters
        progress.page(int(part.shard.pages[-1]) or None, part.tokens, written / characters)
    return Memorized(document, Shard.join([group.shard for group in groups]), sum(group.tokens for group in groups))


def learn(memorized: Memorized, fingerprint: str) -> tuple[Learned, bytes]:
    """What is recorded of a document, and its shard as it stands in the store."""
    document, shard = memorized.document, memorized.shard
    digest, data = pack_shard(shard, fingerprint)
    row = NewDocument(
        path=str(document.source.path),
        name=document.source.name,
        source_sha256=document.sha256,
        source_bytes=document.size,
        pages=document.pages[-1].number,
        tokens=memorized.tokens,
        memories=shard.memories,
        fingerprint=fingerprint,
        shard=digest,
    )
    size = shard.weights.nbytes + shard.rows.nbytes + shard.scales.nbytes
    return Learned(row, len(data), size, document.empty_pages, document.failed_pages, document.encoding), data


def limit_arenas(threads: int) -> None:
    """Let glibc's heap have few arenas: each would keep the most that any of its documents took."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(ARENAS, threads)


def release_memory() -> None:
    """Give freed memory back: with documents of all sizes, glibc's heap would grow by about a third in a long ingest."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)  # other C libraries have none
