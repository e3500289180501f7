"""Memorize files: extract, write, recite back, make gists, store."""

import ctypes
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from ingest import Document, Extractor, Options, Source, SourceError, find_sources, segments
from model import Gists, MemorizeError, Memory, memorize, sentence_gists, sentence_texts
from titans_cli.errors import TitansError, UsageError
from titans_cli.models import Models
from titans_cli.store import NewDocument, Shard, Snapshot, Store, StoredDocument, open_index, write_shard
from titans_cli.usecases.plan import Plan, make_plan

__all__ = ["IngestResult", "Progress", "ingest", "retried_paths"]

GROUP = 128
"""Segments written before progress is reported; bounds what is held in memory."""


class Progress(Protocol):
    """What an ingest tells while it runs."""

    def begin(self, files: int, size: int) -> None: ...
    def file(self, name: str, pages: int | None, size: int) -> None: ...
    def page(self, number: int | None, tokens: int, share: float) -> None: ...
    def done(self, size: int) -> None: ...


@dataclass
class Tally:
    """What an ingest did. Documents are counted once, tokens and memories where they were newly memorized."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    copies: int = 0
    unchanged: int = 0
    tokens: int = 0
    memories: int = 0
    memory_bytes: int = 0  # of weights and scales
    failed: list[SourceError] = field(default_factory=list)
    gone: list[StoredDocument] = field(default_factory=list)  # their files are not there any more
    without_text: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)  # document, its pages that had none
    unread_pages: list[tuple[str, tuple[tuple[int, str], ...]]] = field(default_factory=list)  # document, pages and why
    encodings: list[tuple[str, str]] = field(default_factory=list)  # document that is not UTF-8, its encoding


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did, how long it took, and what is memorized now."""

    did: Tally
    pruned: bool  # whether what is gone was taken out
    seconds: float
    snapshot: Snapshot | None
    interrupted: bool


def ingest(
    home: Path,
    models: Models,
    paths: Sequence[Path],
    progress: Progress,
    *,
    options: Options = Options(),  # noqa: B008 (immutable)
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    prune_missing: bool = False,
    workers: int = 1,
) -> IngestResult:
    """Memorize all files at ``paths`` into the store at ``home``.

    A file whose content is memorized already is passed over, also under another name; one that cannot be read is noted and
    the others go on. With ``prune_missing``, documents below ``paths`` whose files are not there any more are taken out. ``workers``
    processes extract text. Ctrl-C keeps what is finished. Raises TitansError for what concerns the store.
    """
    begun = time.monotonic()
    sources, problems = find_sources(paths, include, exclude)
    if not sources and not problems and not prune_missing:
        raise UsageError("There is nothing to memorize there: no .pdf, .html, .txt, .md or .rst file.")
    if not sources and problems:
        raise TitansError("\n".join(str(problem) for problem in problems))
    fresh = not (home / "titans.db").exists()
    tally, interrupted, snapshot = Tally(), False, None
    done: list[StoredDocument] = []
    with Store.open(home, create=True) as store, store.locked():
        head = store.head()
        if head is not None:
            store.require_head(models.fingerprint)
        before = store.documents(head) if head else []
        replaced: set[str] = set()
        try:
            plan = make_plan(store, before, paths, sources, problems, models.fingerprint)
            tally.failed += plan.failed
            tally.gone += plan.gone
            tally.unchanged = len(plan.unchanged)
            done += plan.unchanged
            for document, source in plan.moved:
                done.append(again(store, document, source))
                replaced.add(document.path)
                tally.moved += 1
            for stored in memorize_sources(store, models, plan, progress, tally, options, workers):
                done.append(stored)
            if prune_missing:
                replaced |= {document.path for document in plan.gone}
        except KeyboardInterrupt:
            interrupted = True
        mended = {failure.path for failure in store.failures() if not Path(failure.path).exists()}
        store.remove_failures(mended | {str(source.path) for source in sources} if not interrupted else {d.path for d in done})
        for error in tally.failed:
            store.add_failure(str(error.path), error.reason, error.kind)
        replaced |= {document.path for document in done}
        documents = done + [document for document in before if document.path not in replaced]
        if documents or head is not None:
            snapshot = store.add_snapshot(documents, models.fingerprint)
            open_index(store, snapshot)
    if fresh and not done:
        Store.remove_new(home)
    return IngestResult(tally, prune_missing, time.monotonic() - begun, snapshot, interrupted)


def retried_paths(home: Path) -> list[Path]:
    """Files that could not be memorized and are still there. Raises NoStoreError, and UsageError when there is none."""
    with Store.open(home) as store:
        paths = [Path(failure.path) for failure in store.failures() if Path(failure.path).is_file()]
    if not paths:
        raise UsageError("No file that failed is there to be tried again.")
    return paths


def size_of(source: Source) -> int:
    try:
        return source.path.stat().st_size if source.data is None else len(source.data)
    except OSError:
        return 0


def memorize_sources(
    store: Store, models: Models, plan: Plan, progress: Progress, tally: Tally, options: Options, workers: int
) -> Iterator[StoredDocument]:
    """Stored documents of new and changed files, and then of copies. What fails is tallied."""
    wanted = [*plan.new, *plan.changed]
    changed = {source.path for source in plan.changed}
    progress.begin(len(wanted), sum(map(size_of, wanted)))
    with Extractor(options, workers) as extractor:

        def learn(sources: Sequence[Source]) -> Iterator[StoredDocument]:
            for source, document in zip(sources, extractor.documents(sources), strict=True):
                try:
                    if isinstance(document, SourceError):
                        raise document
                    yield memorize_document(store, models, document, progress, tally)
                    tally.changed += source.path in changed
                    tally.new += source.path not in changed
                except SourceError as error:
                    tally.failed.append(error)
                progress.done(size_of(source))
                release_memory()

        if wanted:
            extractor.start()
            models.load()
        yield from learn(wanted)
        for source, digest in plan.copies:
            twin = store.find_content(digest, source.path.suffix, models.fingerprint)
            if twin is None:  # what it copies could not be memorized
                yield from learn([source])
            else:
                yield again(store, twin, source)
                tally.copies += 1


def again(store: Store, twin: StoredDocument, source: Source) -> StoredDocument:
    """The document ``twin`` recorded under the path and name of ``source``: the same memories."""
    facts = {**vars(twin), "path": str(source.path), "name": source.name}
    facts.pop("id")
    document = NewDocument(**facts)
    return store.find_same(document) or store.add_document(document, 0)


def memorize_document(store: Store, models: Models, document: Document, progress: Progress, tally: Tally) -> StoredDocument:
    """Write a document's memories and record it. Raises SourceError when its text cannot be written."""
    name, last = document.source.name, document.pages[-1].number
    progress.file(name, last, document.size)
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
    tally.tokens += tokens
    tally.memories += len(memories)
    tally.memory_bytes += shard.weights.nbytes + shard.rows.nbytes + shard.scales.nbytes
    if document.empty_pages:
        tally.without_text.append((name, document.empty_pages))
    if document.failed_pages:
        tally.unread_pages.append((name, document.failed_pages))
    if document.encoding not in (None, "utf-8", "ascii"):
        tally.encodings.append((name, str(document.encoding)))
    new = NewDocument(
        path=str(document.source.path),
        name=name,
        source_sha256=document.sha256,
        source_bytes=document.size,
        pages=last,
        tokens=tokens,
        memories=len(memories),
        fingerprint=models.fingerprint,
        shard=shard_digest,
    )
    return store.find_same(new) or store.add_document(new, shard_bytes)


def release_memory() -> None:
    """Give freed memory back: with documents of all sizes, glibc's heap would grow by about a third in a long ingest."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)


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
