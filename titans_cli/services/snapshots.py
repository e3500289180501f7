"""Snapshots: list, create, restore, compare, delete; and undo."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from titans_cli.errors import UsageError
from titans_cli.store import (
    Snapshot,
    Store,
    StoredDocument,
    garbage,
    is_automatic,
)

__all__ = [
    "Difference",
    "ListedSnapshot",
    "compare_snapshots",
    "create_snapshot",
    "delete_snapshot",
    "list_snapshots",
    "restore_snapshot",
    "undo",
]


@dataclass(frozen=True)
class ListedSnapshot:
    snapshot: Snapshot
    documents: int
    tokens: int
    head: bool


def list_snapshots(home: Path) -> list[ListedSnapshot]:
    """All snapshots, oldest first."""
    with Store.open(home) as store:
        head = store.head()
        result = []
        for snapshot in store.snapshots():
            documents = store.documents(snapshot)
            result.append(
                ListedSnapshot(snapshot, len(documents), sum(d.tokens for d in documents), head is not None and head.id == snapshot.id)
            )
        return result


def create_snapshot(home: Path, name: str) -> Snapshot:
    """Name the current state. Names that the program gives are reserved. Raises UsageError."""
    if is_automatic(name) or not name.strip() or not name.isprintable():
        raise UsageError("A snapshot's name needs visible characters, and names like auto-3 are reserved. Choose another name.")
    with Store.open(home) as store, store.locked():
        head = store.require_head()
        return store.add_snapshot(store.documents(head), head.fingerprint, name)


def restore_snapshot(home: Path, name: str) -> tuple[Snapshot, Snapshot]:
    """Make snapshot ``name`` the current one; returns it, and the snapshot that keeps the state before."""
    with Store.open(home) as store, store.locked():
        wanted, before = store.snapshot(name), store.require_head()
        if before.id != wanted.id:
            before = store.keep_head("restore")
        store.set_head(wanted)
        return wanted, before


def undo(home: Path) -> tuple[Snapshot, Snapshot]:
    """Restore the state before the last ingest, forget or import; returns its snapshot, and the snapshot of the state left.

    Raises UsageError if there is no earlier state.
    """
    with Store.open(home) as store, store.locked():
        head = store.require_head()
        known = {snapshot.id: snapshot for snapshot in store.snapshots()}
        earlier = known.get(head.parent or 0)
        while earlier is not None and earlier.digest == head.digest:  # only the name changed
            earlier = known.get(earlier.parent or 0)
        if earlier is None:
            raise UsageError("Nothing to undo: there is no earlier state of the memory.")
        store.set_head(earlier)
        return earlier, head


@dataclass(frozen=True)
class Difference:
    """Names of the documents that differ between a snapshot and an earlier one."""

    came: tuple[str, ...]
    went: tuple[str, ...]
    changed: tuple[str, ...]


def compare_snapshots(home: Path, name: str, other: str | None = None) -> Difference:
    """What changed from snapshot ``name`` to ``other``, or to the head."""
    with Store.open(home) as store:
        before = by_path(store.documents(store.snapshot(name)))
        after = by_path(store.documents(store.snapshot(other) if other else store.require_head()))
    changed = [path for path in after.keys() & before.keys() if {d.shard for d in after[path]} != {d.shard for d in before[path]}]
    return Difference(
        names_of(after, after.keys() - before.keys()), names_of(before, before.keys() - after.keys()), names_of(after, changed)
    )


def by_path(documents: Iterable[StoredDocument]) -> dict[str, list[StoredDocument]]:
    """The documents at each path: several if stores with different files at that path were merged."""
    found: dict[str, list[StoredDocument]] = defaultdict(list)
    for document in documents:
        found[document.path].append(document)
    return found


def names_of(documents: dict[str, list[StoredDocument]], paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(d.name for path in paths for d in documents[path]))


def delete_snapshot(home: Path, name: str) -> int:
    """Delete snapshot ``name`` and what no other snapshot needs; returns the bytes freed."""
    with Store.open(home) as store, store.locked():
        return garbage.delete_snapshot(store, store.snapshot(name))
