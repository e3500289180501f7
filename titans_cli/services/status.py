"""Collects what the store holds: documents, sizes and failures."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from titans_cli.store import BUDGET, Failure, Snapshot, Store, StoredDocument, shard_sizes

__all__ = ["Status", "status"]


@dataclass(frozen=True)
class Status:
    """The head of a store, and the files that failed."""

    home: Path
    snapshot: Snapshot
    documents: tuple[StoredDocument, ...]
    tokens: int
    memories: int
    bytes: int  # of all shards
    weight_bytes: int  # of memory weights in them; the rest are sentence vectors
    budget: int  # bytes that they may take, 0 for any number
    failures: tuple[Failure, ...]  # files that could not be memorized
    forgotten: tuple[Failure, ...]  # documents that were forgotten to keep within the budget


def status(home: Path) -> Status:
    """The status of the store at ``home``. Raises NoStoreError if there is no memory."""
    with Store.open(home) as store:
        head = store.require_head()
        documents, failures = tuple(store.documents(head)), store.bookkeeping.failures()
        return Status(
            home,
            head,
            documents,
            sum(d.tokens for d in documents),
            sum(d.memories for d in documents),
            store.shard_bytes(documents),
            sum(sizes.rows * sizes.row_bytes for sizes in map(partial(shard_sizes, home), {d.shard for d in documents})),
            int(store.bookkeeping.setting(BUDGET) or 0),
            tuple(failure for failure in failures if failure.kind != BUDGET),
            tuple(failure for failure in failures if failure.kind == BUDGET),
        )
