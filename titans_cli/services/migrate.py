"""From the memories of older model weights to those of the present ones: recite with the old, write with the new."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from ingest import Document, Page, Source, SourceError
from titans_cli.errors import TooNewError
from titans_cli.models import Models
from titans_cli.services.ingest.encode import Progress, learn, memorize_documents
from titans_cli.services.recitation import recite_shard
from titans_cli.store import Shard, Snapshot, Store, StoredDocument, keep_shard, open_index, read_shard

__all__ = ["Migration", "migrate", "recited_document"]


@dataclass(frozen=True)
class Migration:
    """What was carried over to the present model weights."""

    documents: int
    failed: tuple[SourceError, ...]  # documents that were not recited word for word
    before: Snapshot  # holds the memories of the old weights
    after: Snapshot


def migrate(home: Path, old: Models, new: Models, progress: Progress) -> Migration:
    """Write all memories that ``old`` wrote with ``new``, and answer from those; the old ones stay as a snapshot until it is deleted.

    When it is interrupted, the same call goes on. A document that is no more recited word for word is listed as failed. Raises
    TooNewError when other weights than ``old`` wrote the memories.
    """
    with Store.open(home) as store, store.locked():
        head = store.require_head()
        if head.fingerprint == new.fingerprint:
            return Migration(0, (), head, head)
        if head.fingerprint != old.fingerprint:
            raise TooNewError(
                f"Other model weights wrote these memories ({head.fingerprint[:12]}) than are in {old.folder} ({old.fingerprint[:12]})."
            )
        done, todo = [], []
        for document in store.documents(head):
            written = store.find_document(document.path, document.name, document.source_sha256, new.fingerprint)
            if written is None:
                todo.append(document)
            else:  # by a migration that was interrupted
                done.append(written)
        progress.begin(len(todo), sum(d.source_bytes for d in todo))
        failed = []
        for before, outcome in zip(todo, memorize_documents(new, recited(home, old, todo), progress), strict=True):
            if isinstance(outcome, SourceError):
                failed.append(outcome)
                store.add_failure(str(outcome.path), outcome.reason, outcome.kind)
            else:
                learned, data = learn(outcome, new.fingerprint)
                keep_shard(home, learned.document.shard, data)
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
    """The document as its memories recite it; a SourceError when they do not do so word for word."""
    source = Source(Path(document.path), document.name)
    memories = list(recite_shard(models, shard))
    wrong = sum(not memory.verbatim for memory in memories)
    if wrong:
        return SourceError(source.path, f"{wrong} of {len(memories)} memories are not recited word for word. Memorize it again.", "corrupt")
    pages = []
    for number, of_page in groupby(memories, attrgetter("page")):
        tokens = [token for memory in of_page for token in memory.tokens]
        pages.append(Page(number, models.tokenizer.decode(tokens)))
    return Document(source, document.source_sha256, document.source_bytes, tuple(pages))
