"""Snapshots: list, create, restore, delete; export and import."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from titans_cli.errors import UsageError
from titans_cli.store import Snapshot, Store, export_snapshot, import_archive

__all__ = [
    "Difference",
    "ListedSnapshot",
    "compare_snapshots",
    "create_snapshot",
    "delete_snapshot",
    "export_to",
    "import_from",
    "list_snapshots",
    "restore_snapshot",
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
    """Name what is memorized now. Names that the program gives itself are not to be had."""
    if name.startswith("auto-") or not name.strip() or not name.isprintable():
        raise UsageError("A snapshot's name needs visible characters, and does not begin with auto-.")
    with Store.open(home) as store, store.locked():
        head = store.require_head()
        return store.add_snapshot(store.documents(head), head.fingerprint, name)


def restore_snapshot(home: Path, name: str) -> tuple[Snapshot, Snapshot]:
    """Answer from snapshot ``name`` again; returns it, and the snapshot that keeps what was there before."""
    with Store.open(home) as store, store.locked():
        wanted, before = store.snapshot(name), store.require_head()
        if before.name.startswith("auto-") and before.id != wanted.id:
            kept = f"before-restore-{datetime.now():%Y%m%d-%H%M%S-%f}"
            before = store.add_snapshot(store.documents(before), before.fingerprint, kept)
        store.set_head(wanted)
        return wanted, before


@dataclass(frozen=True)
class Difference:
    """Names of the documents by which a snapshot differs from an earlier one."""

    came: tuple[str, ...]
    went: tuple[str, ...]
    changed: tuple[str, ...]


def compare_snapshots(home: Path, name: str, other: str | None = None) -> Difference:
    """What changed from snapshot ``name`` to ``other``, or to the head."""
    with Store.open(home) as store:
        before = {d.path: d for d in store.documents(store.snapshot(name))}
        after = {d.path: d for d in store.documents(store.snapshot(other) if other else store.require_head())}
    changed = [d.name for path, d in after.items() if path in before and before[path].shard != d.shard]
    return Difference(
        tuple(d.name for path, d in after.items() if path not in before),
        tuple(d.name for path, d in before.items() if path not in after),
        tuple(changed),
    )


def delete_snapshot(home: Path, name: str) -> int:
    """Delete snapshot ``name`` and what no other needs; returns the bytes freed."""
    with Store.open(home) as store, store.locked():
        return store.delete_snapshot(store.snapshot(name))


def export_to(home: Path, target: Path, name: str | None = None) -> tuple[Snapshot, int]:
    """Write the head, or snapshot ``name``, to one file; returns it and the bytes written."""
    with Store.open(home) as store:
        snapshot = store.snapshot(name) if name else store.require_head()
        return snapshot, export_snapshot(store, snapshot, target)


def import_from(home: Path, source: Path, fingerprint: str) -> Snapshot:
    """Verify an export and merge it into the store at ``home``, which is made if need be; a refused one leaves no trace."""
    fresh = not (home / "titans.db").exists()
    try:
        with Store.open(home, create=True) as store, store.locked():
            if store.head() is not None:
                store.require_head(fingerprint)
            return import_archive(store, source, fingerprint)
    except Exception:
        if fresh:
            Store.remove_new(home)
        raise
