"""Memorize files: plan, extract, write, recite back, make sentence vectors, store."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ingest import SUFFIXES, Extractor, Source, SourceError, find_sources
from titans_cli.errors import TitansError, UsageError
from titans_cli.models import Models
from titans_cli.services.ingest.budget import agree_on_budget, keep_within, make_room
from titans_cli.services.ingest.cluster import cluster_learner
from titans_cli.services.ingest.encode import learn, memorize_documents
from titans_cli.services.ingest.plan import Plan, Selection, is_missing, make_plan
from titans_cli.services.ingest.request import Progress, Request
from titans_cli.services.ingest.result import Done, IngestResult, Learned, Outcome, tally_of
from titans_cli.store import NewDocument, Snapshot, Store, StoredDocument, keep_shard, open_index

__all__ = ["ingest", "ingest_into", "open_to_write"]

Learner = Callable[[Sequence[Source]], Iterator[tuple[Source, Learned | SourceError]]]
"""Memorizes sources; their shards are in the store when it yields what to record of them, in any order."""


def ingest(
    home: Path,
    models: Models,
    paths: Sequence[Path],
    progress: Progress,
    request: Request | None = None,
) -> IngestResult:
    """Memorize all files at ``paths`` into the store at ``home``.

    A file whose content is already memorized is skipped, also under another name; one that cannot be read is recorded as failed, and the
    others continue. At the end, documents that exceed the budget are forgotten, the least useful first. Ctrl-C keeps what is finished.
    Raises TitansError for errors of the store.
    """
    begun, request = time.monotonic(), request or Request()
    sources, problems = find_sources(paths, request.include, request.exclude)
    sources += request.given
    if not sources and not problems and not request.prune_missing:
        raise UsageError(f"Nothing to memorize: no file ends in {', '.join(sorted(SUFFIXES))}.")
    if not sources and problems:
        raise TitansError("\n".join(str(problem) for problem in problems))
    with open_to_write(home) as store:
        return ingest_into(store, models, Selection(tuple(paths), tuple(sources), tuple(problems)), progress, request, begun)


@contextmanager
def open_to_write(home: Path) -> Iterator[Store]:
    """The store at ``home``, locked, and created if needed. A new store in which nothing was memorized is removed again."""
    fresh = not (home / "titans.db").exists()
    with Store.open(home, create=True) as store, store.locked():
        yield store
        in_vain = fresh and store.is_empty()
    if in_vain:
        Store.remove_new(home)


def ingest_into(store: Store, models: Models, selection: Selection, progress: Progress, request: Request, begun: float) -> IngestResult:
    """Memorize a selection into a locked store, and make a snapshot. ``begun`` (monotonic seconds) is when the work started."""
    if store.head() is not None:
        store.require_head(models.fingerprint)
    before = store.head_documents()
    budget = agree_on_budget(store, request.budget)
    plan = make_plan(store, before, selection, models.fingerprint)
    store.mark_as_own(plan.unchanged)
    outcomes: list[Outcome] = [Done("unchanged", document) for document in plan.unchanged]
    interrupted = False
    try:
        with learner_of(store.home, models, progress, request) as learner:
            for outcome in carry_out(store, models.fingerprint, plan, learner, progress):
                outcomes.append(outcome)  # one by one: Ctrl-C keeps them
    except KeyboardInterrupt:
        interrupted = True
    note_failures(store, plan, outcomes, interrupted)
    gone = plan.gone if request.prune_missing and not interrupted else ()
    snapshot, forgotten = conclude(store, models.fingerprint, remaining(before, outcomes, gone), budget)
    return IngestResult(tally_of(plan, outcomes, forgotten), request.prune_missing, time.monotonic() - begun, snapshot, interrupted)


def remaining(before: Sequence[StoredDocument], outcomes: Iterable[Outcome], gone: Iterable[StoredDocument]) -> list[StoredDocument]:
    """The documents of the next snapshot: those of the files that were read, and those ``before`` that none of them replaces."""
    done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    here = {one.document.path for one in done}
    replaced = {document.id for document in gone} | {one.replaces.id for one in done if one.replaces}
    return [one.document for one in done] + [d for d in before if d.path not in here and d.id not in replaced]


def note_failures(store: Store, plan: Plan, outcomes: Sequence[Outcome], interrupted: bool) -> None:
    """Record the files that failed; drop the records of files that were retried or no longer exist."""
    notes = store.bookkeeping
    failed = [*plan.failed, *(outcome for outcome in outcomes if isinstance(outcome, SourceError))]
    missing = {failure.path for failure in notes.failures() if is_missing(failure.path)}
    done = {outcome.document.path for outcome in outcomes if isinstance(outcome, Done)}
    tried = done if interrupted else done | plan.tried
    notes.remove_failures((missing | tried) - {str(source.path) for source in plan.left_out})
    for error in failed:
        notes.add_failure(str(error.path), error.reason, error.kind)


def conclude(
    store: Store, fingerprint: str, documents: Sequence[StoredDocument], budget: int
) -> tuple[Snapshot | None, Sequence[StoredDocument]]:
    """Make a snapshot of the ``documents`` that fit into the budget; returns it, and the documents that do not fit."""
    if not documents and store.head() is None:
        return None, ()
    kept, forgotten = keep_within(budget, store, documents)
    snapshot = store.add_snapshot(kept, fingerprint)
    if forgotten:
        make_room(store, forgotten, budget)
    open_index(store, snapshot)
    return snapshot, forgotten


def carry_out(store: Store, fingerprint: str, plan: Plan, learner: Learner, progress: Progress) -> Iterator[Outcome]:
    """Yield the outcomes of moved files, then of new and changed ones, then of copies, each as soon as it is recorded."""
    for before, source in plan.moved:
        yield Done("moved", record_again(store, before, source), replaces=before)
    wanted = [*plan.new, *plan.changed]
    changed = {source.path for source in plan.changed}
    progress.begin(len(wanted), sum(map(size_of, wanted)))

    def memorize(sources: Sequence[Source]) -> Iterator[Outcome]:
        for source, outcome in learner(sources) if sources else ():
            if isinstance(outcome, SourceError):
                yield outcome
            else:
                stored = store.add_document(outcome.document, outcome.shard_bytes)
                yield Done("changed" if source.path in changed else "new", stored, outcome)
            progress.done(size_of(source))

    yield from memorize(wanted)
    for source, digest in plan.copies:
        twin = store.find_content(digest, source.path.suffix, fingerprint)
        if twin is None:  # what it copies could not be memorized
            yield from memorize([source])
        else:
            yield Done("copy", record_again(store, twin, source))


def record_again(store: Store, twin: StoredDocument, source: Source) -> StoredDocument:
    """Record the document ``twin`` under the path and name of ``source``, with the same memories."""
    facts = {**vars(twin), "path": str(source.path), "name": source.name}
    return store.add_document(NewDocument(**{name: facts[name] for name in NewDocument.__dataclass_fields__}), 0)


def size_of(source: Source) -> int:
    try:
        return source.path.stat().st_size if source.data is None else len(source.data)
    except OSError:
        return 0


def learner_of(home: Path, models: Models, progress: Progress, request: Request) -> AbstractContextManager[Learner]:
    if request.cluster is None:
        return local_learner(home, models, progress, request)
    return cluster_learner(home, models.fingerprint, progress, request)


@contextmanager
def local_learner(home: Path, models: Models, progress: Progress, request: Request) -> Iterator[Learner]:
    """Memorizes in this process; other processes extract text."""
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
