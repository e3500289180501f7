"""Migrates memories to the current model weights: recite with the old ones, write with the new."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from ingest import Document, Page, Source, SourceError
from titans_cli.errors import TooNewError, UsageError
from titans_cli.models import Models
from titans_cli.services.ingest.encode import learn, memorize_documents
from titans_cli.services.ingest.request import Progress
from titans_cli.services.recitation import recite_shard
from titans_cli.store import Shard, Snapshot, Store, StoredDocument, keep_shard, open_index, read_shard

__all__ = ["Migration", "migrate", "recited_document"]


@dataclass(frozen=True)
class Migration:
    """What was migrated to the current model weights."""

    documents: int
    failed: tuple[SourceError, ...]  # documents that were not recited word for word
    before: Snapshot  # holds the memories of the old weights
    after: Snapshot


def migrate(home: Path, weights: Path | None, device: str | None, progress: Progress) -> Migration | None:
    """Migrate the store at ``home``; returns None if its memories were written with the current model weights.

    Otherwise all memories are recited with the old ``weights``, a folder, and written with the current ones. The old memories stay as a
    snapshot until it is deleted. After an interruption, the same call continues. Raises UsageError if the old weights are needed and not
    given, TooNewError if the memories were written with yet other weights.
    """
    new = Models(device=device)
    with Store.open(home) as store:  # this migrates the database
        written_by = store.require_head().fingerprint
    if written_by == new.fingerprint:
        return None
    if weights is None:
        raise UsageError("These memories were written with other model weights. Give the folder of those: titans migrate --weights FOLDER")
    old = Models(weights, device)
    if written_by != old.fingerprint:
        raise TooNewError(
            f"The memories were written with other model weights ({written_by[:12]}) than those in {weights} ({old.fingerprint[:12]}). "
            "Choose another folder."
        )
    with Store.open(home) as store, store.locked():
        return rewrite(store, old, new, progress)


def rewrite(store: Store, old: Models, new: Models, progress: Progress) -> Migration:
    """Write all memories of the head that ``old`` wrote with ``new``. A document that does not recite word for word fails."""
    done, todo = [], []
    for document in store.documents(store.require_head(old.fingerprint)):
        written = store.find_document(document.path, document.name, document.source_sha256, new.fingerprint)
        if written is None:
            todo.append(document)
        else:  # by a migration that was interrupted
            done.append(written)
    progress.begin(len(todo), sum(d.source_bytes for d in todo))
    failed = []
    for before, outcome in zip(todo, memorize_documents(new, recited(store.home, old, todo), progress), strict=True):
        if isinstance(outcome, SourceError):
            failed.append(outcome)
            store.bookkeeping.add_failure(str(outcome.path), outcome.reason, outcome.kind)
        else:
            learned, data = learn(outcome, new.fingerprint)
            keep_shard(store.home, learned.document.shard, data)
            done.append(store.add_document(replace(learned.document, pages=before.pages), learned.shard_bytes))
        progress.done(before.source_bytes)
    before_all = store.keep_head("migrate")
    after = store.add_snapshot(list(dict.fromkeys(done)), new.fingerprint)
    open_index(store, after)
    return Migration(len(todo) - len(failed), tuple(failed), before_all, after)


def recited(home: Path, models: Models, documents: Iterable[StoredDocument]) -> Iterator[Document | SourceError]:
    for document in documents:
        yield recited_document(models, document, read_shard(home, document.shard))


def recited_document(models: Models, document: StoredDocument, shard: Shard) -> Document | SourceError:
    """The document as recited by its memories, or a SourceError if they do not recite word for word."""
    source = Source(Path(document.path), document.name)
    memories = list(recite_shard(models, shard))
    wrong = sum(not memory.verbatim for memory in memories)
    if wrong:
        return SourceError(
            source.path, f"{wrong} of {len(memories)} memories cannot be recited word for word. Memorize it again.", "corrupt"
        )
    pages = []
    for number, of_page in groupby(memories, attrgetter("page")):
        tokens = [token for memory in of_page for token in memory.tokens]
        pages.append(Page(number, models.tokenizer.decode(tokens)))
    return Document(source, document.source_sha256, document.source_bytes, tuple(pages))
