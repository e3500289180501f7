"""Memorize files: extract, write, recite back, make gists, store."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest import Extractor, Options, Source, SourceError, find_sources
from titans_cli.errors import TitansError, UsageError
from titans_cli.models import Models
from titans_cli.store import NewDocument, Snapshot, Store, StoredDocument, open_index, write_shard
from titans_cli.usecases.memorize import Memorized, Progress, memorize_documents
from titans_cli.usecases.plan import Plan, make_plan

__all__ = ["IngestResult", "ingest", "retried_paths"]


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
            learned = memorize_documents(models, extractor.documents(sources), progress)
            for source, outcome in zip(sources, learned, strict=True):
                if isinstance(outcome, SourceError):
                    tally.failed.append(outcome)
                else:
                    yield record(store, models, outcome, tally)
                    tally.changed += source.path in changed
                    tally.new += source.path not in changed
                progress.done(size_of(source))

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


def record(store: Store, models: Models, learned: Memorized, tally: Tally) -> StoredDocument:
    """Store a document's memories."""
    document, shard = learned.document, learned.shard
    shard_digest, shard_bytes = write_shard(store.home, shard, models.fingerprint)
    name = document.source.name
    tally.tokens += learned.tokens
    tally.memories += shard.memories
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
        pages=document.pages[-1].number,
        tokens=learned.tokens,
        memories=shard.memories,
        fingerprint=models.fingerprint,
        shard=shard_digest,
    )
    return store.find_same(new) or store.add_document(new, shard_bytes)
