"""Memorize files: extract, write, recite back, make gists, store."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ingest import SUFFIXES, Extractor, Options, Source, SourceError, find_sources
from titans_cli.errors import TitansError, UsageError
from titans_cli.models import Models
from titans_cli.services.ingest.budget import agree_on_budget, keep_within
from titans_cli.services.ingest.encode import Learned, Progress, learn, memorize_documents
from titans_cli.services.ingest.plan import Plan, make_plan
from titans_cli.store import BUDGET, NewDocument, Snapshot, Store, StoredDocument, is_automatic, keep_shard, open_index

__all__ = ["IngestResult", "Request", "ingest", "retried_paths"]


@dataclass(frozen=True)
class Request:
    """How to memorize."""

    options: Options = field(default_factory=Options)  # how files are read
    include: Sequence[str] = ()  # of folders, only files that fit one of these patterns
    exclude: Sequence[str] = ()  # and none that fit one of these
    prune_missing: bool = False  # take out documents below the given paths whose files are not there any more
    workers: int | None = None  # processes that extract text, one when not given; with a cluster, its actors, one a core
    cluster: str | None = None  # address of a Ray cluster; "local" for one on this machine
    budget: int | None = None  # bytes that the memory may take, from now on; 0 for any number, None for as before
    given: Sequence[Source] = ()  # texts that are no files, beside the paths


@dataclass
class Tally:
    """What an ingest did. Documents are counted once, tokens and memories where they were newly memorized."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    copies: int = 0
    unchanged: int = 0
    left_out: int = 0  # forgotten for want of room before
    tokens: int = 0
    memories: int = 0
    memory_bytes: int = 0  # of weights and scales
    failed: list[SourceError] = field(default_factory=list)
    forgotten: list[StoredDocument] = field(default_factory=list)  # for want of room
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
    request: Request = Request(),
) -> IngestResult:
    """Memorize all files at ``paths`` into the store at ``home``.

    A file whose content is memorized already is passed over, also under another name; one that cannot be read is noted and
    the others go on. What does not fit into the budget is forgotten at the end, the least worth keeping first. Ctrl-C keeps what is
    finished. Raises TitansError for what concerns the store.
    """
    begun = time.monotonic()
    sources, problems = find_sources(paths, request.include, request.exclude)
    sources += request.given
    if not sources and not problems and not request.prune_missing:
        raise UsageError(f"There is nothing to memorize there: no file that ends in {', '.join(sorted(SUFFIXES))}.")
    if not sources and problems:
        raise TitansError("\n".join(str(problem) for problem in problems))
    fresh = not (home / "titans.db").exists()
    snapshot = None
    with Store.open(home, create=True) as store, store.locked():
        head = store.head()
        if head is not None:
            store.require_head(models.fingerprint)
        before = store.documents(head) if head else []
        budget = agree_on_budget(store, request.budget)
        plan = make_plan(store, before, paths, sources, problems, models.fingerprint)
        tally = Tally(unchanged=len(plan.unchanged), left_out=len(plan.left_out), failed=list(plan.failed), gone=list(plan.gone))
        done, interrupted = list(plan.unchanged), False
        store.own(plan.unchanged)
        replaced: set[int] = set()  # documents of the head that do not stay
        try:
            for document, source in plan.moved:
                done.append(again(store, document, source))
                replaced.add(document.id)
                tally.moved += 1
            with learner_of(home, models, progress, request) as learner:
                for stored in memorize_sources(store, models.fingerprint, plan, learner, progress, tally):
                    done.append(stored)  # one by one: Ctrl-C keeps them
            if request.prune_missing:
                replaced |= {document.id for document in plan.gone}
        except KeyboardInterrupt:
            interrupted = True
        mended = {failure.path for failure in store.failures() if not Path(failure.path).exists()}
        tried = {d.path for d in done} if interrupted else {str(source.path) for source in sources}
        store.remove_failures(mended | tried - {str(source.path) for source in plan.left_out})
        for error in tally.failed:
            store.add_failure(str(error.path), error.reason, error.kind)
        here = {document.path for document in done}
        documents = done + [document for document in before if document.path not in here and document.id not in replaced]
        if documents or head is not None:
            kept, tally.forgotten = keep_within(budget, store, documents)
            snapshot = store.add_snapshot(kept, models.fingerprint)
            if tally.forgotten:
                make_room(store, tally.forgotten, budget)
            open_index(store, snapshot)
    if fresh and not done:
        Store.remove_new(home)
    return IngestResult(tally, request.prune_missing, time.monotonic() - begun, snapshot, interrupted)


def make_room(store: Store, documents: Sequence[StoredDocument], budget: int) -> None:
    """Take what was forgotten for want of room off the disk, unless a snapshot that the user named holds it."""
    with store.db.atomic():
        store.take_out(documents, [s for s in store.snapshots() if is_automatic(s.name)])
        for document in documents:
            reason = f"was forgotten to keep within {budget / 1e6:,.1f} MB. Allow more with --budget."
            store.add_failure(document.path, reason, BUDGET, document.source_sha256)
    store.collect()


def retried_paths(home: Path) -> list[Path]:
    """Files that could not be memorized and are still there. Raises NoStoreError, and UsageError when there is none."""
    with Store.open(home) as store:
        paths = [Path(failure.path) for failure in store.failures() if failure.kind != BUDGET and Path(failure.path).is_file()]
    if not paths:
        raise UsageError("No file that failed is there to be tried again.")
    return paths


def size_of(source: Source) -> int:
    try:
        return source.path.stat().st_size if source.data is None else len(source.data)
    except OSError:
        return 0


Learner = Callable[[Sequence[Source]], Iterator[tuple[Source, Learned | SourceError]]]
"""Memorizes sources; their shards are in the store when it yields what to record of them, in any order."""


def learner_of(home: Path, models: Models, progress: Progress, request: Request) -> AbstractContextManager[Learner]:
    if request.cluster is None:
        return local_learner(home, models, progress, request)
    from titans_cli.services.ingest.cluster import cluster_learner

    return cluster_learner(home, models.fingerprint, progress, request)


@contextmanager
def local_learner(home: Path, models: Models, progress: Progress, request: Request) -> Iterator[Learner]:
    """Memorizes in this process; others extract text."""
    with Extractor(request.options, request.workers or 1) as extractor:

        def memorize(sources: Sequence[Source]) -> Iterator[tuple[Source, Learned | SourceError]]:
            extractor.start()
            models.load()
            memorized = memorize_documents(models, extractor.documents(sources), progress)
            for source, outcome in zip(sources, memorized, strict=True):
                if isinstance(outcome, SourceError):
                    yield source, outcome
                else:
                    learned, data = learn(outcome, models.fingerprint)
                    keep_shard(home, learned.document.shard, data)
                    yield source, learned

        yield memorize


def memorize_sources(
    store: Store, fingerprint: str, plan: Plan, learner: Learner, progress: Progress, tally: Tally
) -> Iterator[StoredDocument]:
    """Stored documents of new and changed files, and then of copies. What fails is tallied."""
    wanted = [*plan.new, *plan.changed]
    changed = {source.path for source in plan.changed}
    progress.begin(len(wanted), sum(map(size_of, wanted)))

    def memorize(sources: Sequence[Source]) -> Iterator[StoredDocument]:
        for source, outcome in learner(sources) if sources else ():
            if isinstance(outcome, SourceError):
                tally.failed.append(outcome)
            else:
                yield record(store, outcome, tally)
                tally.changed += source.path in changed
                tally.new += source.path not in changed
            progress.done(size_of(source))

    yield from memorize(wanted)
    for source, digest in plan.copies:
        twin = store.find_content(digest, source.path.suffix, fingerprint)
        if twin is None:  # what it copies could not be memorized
            yield from memorize([source])
        else:
            yield again(store, twin, source)
            tally.copies += 1


def again(store: Store, twin: StoredDocument, source: Source) -> StoredDocument:
    """The document ``twin`` recorded under the path and name of ``source``: the same memories."""
    facts = {**vars(twin), "path": str(source.path), "name": source.name}
    return store.add_document(NewDocument(**{name: facts[name] for name in NewDocument.__dataclass_fields__}), 0)


def record(store: Store, learned: Learned, tally: Tally) -> StoredDocument:
    """Record a document whose shard is in the store."""
    new = learned.document
    tally.tokens += new.tokens
    tally.memories += new.memories
    tally.memory_bytes += learned.memory_bytes
    if learned.empty_pages:
        tally.without_text.append((new.name, learned.empty_pages))
    if learned.failed_pages:
        tally.unread_pages.append((new.name, learned.failed_pages))
    if learned.encoding not in (None, "utf-8", "ascii"):
        tally.encodings.append((new.name, str(learned.encoding)))
    return store.add_document(new, learned.shard_bytes)
