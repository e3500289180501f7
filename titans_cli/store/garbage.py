"""Garbage collection: deletes what no snapshot holds, and files that killed processes left.

A shard's file is deleted before its row: after a kill between the two, ``recover`` finds the row and continues.
"""

from collections.abc import Sequence
from pathlib import Path

from titans_cli.errors import UsageError
from titans_cli.store.catalog import Catalog
from titans_cli.store.files import remove_folder, shard_path
from titans_cli.store.records import Snapshot, StoredDocument

__all__ = ["collect", "delete_snapshot", "drop_indexes", "forget", "orphans", "recover"]


def collect(catalog: Catalog) -> int:
    """Delete documents that no snapshot holds, and shards that no document needs; returns the bytes freed."""
    with catalog.transaction():
        catalog.drop_unheld_documents()
    return erase(catalog)


def erase(catalog: Catalog) -> int:
    """Delete shards that no document needs, without a trace; returns the bytes freed."""
    unused = catalog.unused_shards()
    for digest in unused:
        shard_path(catalog.home, digest).unlink(missing_ok=True)
    catalog.drop_unused_shards()
    return sum(unused.values())


def delete_snapshot(catalog: Catalog, snapshot: Snapshot) -> int:
    """Delete a snapshot and what only it held; returns the bytes freed. Raises UsageError for the head."""
    head = catalog.head()
    if head is not None and head.id == snapshot.id:
        raise UsageError(f"{snapshot.name!r} is the current snapshot. Restore another one first.")
    with catalog.transaction():
        catalog.remove_snapshot(snapshot)
        catalog.drop_unheld_documents()
    return erase(catalog)


def forget(catalog: Catalog, documents: Sequence[StoredDocument], everywhere: bool) -> tuple[list[Snapshot], int]:
    """Remove ``documents`` from the head, or from all snapshots; returns the snapshots that still hold them, and the bytes freed."""
    wanted = {document.id for document in documents}
    head = catalog.require_head()
    with catalog.transaction():
        if everywhere:
            catalog.take_out(documents, catalog.snapshots())
        else:
            catalog.add_snapshot([d for d in catalog.documents(head) if d.id not in wanted], head.fingerprint)
        catalog.bookkeeping.remove_failures(document.path for document in documents)
        catalog.drop_unheld_documents()
    return catalog.holders(documents), erase(catalog)


def orphans(catalog: Catalog) -> list[Path]:
    """Files below ``shards`` that no document needs, left by a killed process."""
    known = {shard_path(catalog.home, digest) for digest in catalog.shards()}
    return sorted(path for path in (catalog.home / "shards").rglob("*") if path.is_file() and path not in known)


def recover(catalog: Catalog) -> None:
    """Finish deletions that a killed process had started, and delete files that it had not finished writing."""
    if catalog.unused_shards():
        erase(catalog)
    for part in (catalog.home / "shards").glob("*/.*.part"):
        part.unlink(missing_ok=True)
    head = catalog.head()
    drop_indexes(catalog.home, head.digest if head else None)


def drop_indexes(home: Path, keep: str | None, unfinished: bool = True) -> None:
    """Delete all indexes except ``keep``; with ``unfinished``, also those that other processes are building."""
    for folder in (home / "cache").glob("*"):
        if folder.name != keep and (unfinished or not folder.name.startswith(".")):
            remove_folder(folder)
