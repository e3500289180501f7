"""What the store holds."""

from dataclasses import dataclass
from pathlib import Path

from titans_cli.store import Failure, Snapshot, Store, StoredDocument

__all__ = ["Status", "status"]


@dataclass(frozen=True)
class Status:
    """The head of a store, and what could not be memorized."""

    home: Path
    snapshot: Snapshot
    documents: tuple[StoredDocument, ...]
    tokens: int
    memories: int
    bytes: int  # of all shards
    failures: tuple[Failure, ...]


def status(home: Path) -> Status:
    """Raises NoStoreError when there is no memory at ``home``."""
    with Store.open(home) as store:
        head = store.require_head()
        documents = tuple(store.documents(head))
        return Status(
            home,
            head,
            documents,
            sum(d.tokens for d in documents),
            sum(d.memories for d in documents),
            store.shard_bytes(documents),
            tuple(store.failures()),
        )
