"""Memorize files: extract, write, recite back, make gists, store."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from ingest import Document, Source, SourceError, digest_of_file, find_sources, read_document, segments
from model import Gists, MemorizeError, Memory, memorize, sentence_gists, sentence_texts
from titans_cli.errors import TitansError, UsageError
from titans_cli.models import Models
from titans_cli.store import NewDocument, Shard, Snapshot, Store, StoredDocument, open_index, write_shard

__all__ = ["IngestResult", "Progress", "ingest"]

GROUP = 128
"""Segments written before progress is reported; bounds what is held in memory."""


class Progress(Protocol):
    """What an ingest tells while it runs."""

    def begin(self, files: int, size: int) -> None: ...
    def file(self, name: str, pages: int | None, size: int) -> None: ...
    def page(self, number: int | None, tokens: int, share: float) -> None: ...
    def done(self, size: int) -> None: ...


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did."""

    new: int  # documents
    unchanged: int
    failed: tuple[tuple[str, str], ...]  # path, reason
    without_text: tuple[tuple[str, tuple[int, ...]], ...]  # document, its pages that had none
    tokens: int  # newly memorized
    memories: int
    memory_bytes: int  # of weights and scales
    seconds: float
    snapshot: Snapshot | None
    interrupted: bool


@dataclass
class Tally:
    new: int = 0
    unchanged: int = 0
    tokens: int = 0
    memories: int = 0
    memory_bytes: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    without_text: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)


def ingest(home: Path, models: Models, paths: Sequence[Path], progress: Progress) -> IngestResult:
    """Memorize all files at ``paths`` into the store at ``home``.

    A file whose content is memorized already is passed over; one that cannot be read is noted and the others go on.
    Ctrl-C keeps what is finished. Raises TitansError for what concerns the store.
    """
    begun = time.monotonic()
    sources, problems = find_sources(paths)
    if not sources and not problems:
        raise UsageError("There is nothing to memorize there: no .pdf, .txt, .md, .rst or .html file.")
    if not sources:
        raise TitansError("\n".join(str(problem) for problem in problems))
    fresh = not (home / "titans.db").exists()
    tally, done, interrupted, snapshot = Tally(), [], False, None
    with Store.open(home, create=True) as store, store.locked():
        head = store.head()
        if head is not None:
            store.require_head(models.fingerprint)
        tally.failed += [(str(problem.path), problem.reason) for problem in problems]
        sizes = [size_of(source.path) for source in sources]
        progress.begin(len(sources), sum(sizes))
        try:
            for source, size in zip(sources, sizes, strict=True):
                try:
                    done.append(memorize_source(store, models, source, progress, tally))
                except SourceError as error:
                    tally.failed.append((str(error.path), error.reason))
                progress.done(size)
        except KeyboardInterrupt:
            interrupted = True
        for path, reason in tally.failed:
            store.add_failure(path, reason)
        if done:
            paths_done = {d.path for d in done}
            store.remove_failures(paths_done)
            kept = [d for d in store.documents(head) if d.path not in paths_done] if head else []
            snapshot = store.add_snapshot(done + kept, models.fingerprint)
            open_index(store, snapshot)
    if fresh and not done:
        Store.remove_new(home)
    return IngestResult(
        tally.new, tally.unchanged, tuple(tally.failed), tuple(tally.without_text), tally.tokens, tally.memories,
        tally.memory_bytes, time.monotonic() - begun, snapshot, interrupted,
    )  # fmt: skip


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def memorize_source(store: Store, models: Models, source: Source, progress: Progress, tally: Tally) -> StoredDocument:
    """The stored document of ``source``: an earlier one if its content is known, else newly memorized."""
    path = str(source.path)
    digest = digest_of_file(source.path)
    known = store.find_document(path, source.name, digest, models.fingerprint)
    if known is not None:
        tally.unchanged += 1
        return known
    twin = store.find_content(digest, source.path.suffix, models.fingerprint)
    if twin is not None:
        tally.new += 1
        facts = {**vars(twin), "path": path, "name": source.name}
        facts.pop("id")
        return store.add_document(NewDocument(**facts), 0)
    document = read_document(source)
    last = document.pages[-1].number
    progress.file(source.name, last, document.size)
    memories: list[Memory] = []
    gists, pages = [], []
    characters, written = sum(len(page.text) for page in document.pages), 0
    for group_pages, group, group_gists, group_characters in write_groups(models, document):
        memories += group
        pages += group_pages
        gists.append(group_gists)
        written += group_characters
        progress.page(group_pages[-1] or None, sum(len(m.tokens) for m in group), written / characters)
    shard = make_shard(memories, pages, Gists.join(gists))
    shard_digest, shard_bytes = write_shard(store.home, shard, models.fingerprint)
    tokens = sum(len(m.tokens) for m in memories)
    tally.new += 1
    tally.tokens += tokens
    tally.memories += len(memories)
    tally.memory_bytes += shard.weights.nbytes + shard.rows.nbytes + shard.scales.nbytes
    if document.empty_pages:
        tally.without_text.append((source.name, document.empty_pages))
    return store.add_document(
        NewDocument(path, source.name, document.sha256, document.size, last, tokens, len(memories), models.fingerprint, shard_digest),
        shard_bytes,
    )


Group = tuple[list[int], list[Memory], Gists, int]


def write_groups(models: Models, document: Document) -> Iterator[Group]:
    """Memories of ``document``, ``GROUP`` segments at a time: their pages (0 for none), themselves, their sentences' gists, and
    their characters.
    """
    stream = segments(document, models.tokenizer.encode_ordinary, models.memorizer.config.segment)
    while group := list(islice(stream, GROUP)):
        try:
            memories = memorize(models.memorizer, models.tokenizer, [[list(s) for s in segment.sentences] for segment in group])
        except MemorizeError as error:
            raise SourceError(document.source.path, str(error)) from error
        pages = [group[m.segment].page or 0 for m in memories]
        texts, text_pages = [], []
        for memory, page in zip(memories, pages, strict=True):
            texts += sentence_texts(models.tokenizer, memory.tokens, memory.sentences)
            text_pages += [page] * len(memory.sentences)
        yield pages, memories, sentence_gists(models.core, texts, text_pages), sum(map(len, texts))


def make_shard(memories: Sequence[Memory], pages: Sequence[int], gists: Gists) -> Shard:
    return Shard(
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
