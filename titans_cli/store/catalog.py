"""The catalog of documents, shards and snapshots, in SQL. It touches no file but the database."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.db import NotFoundError

from titans_cli.errors import NoStoreError, TooNewError, UsageError
from titans_cli.store.bookkeeping import Bookkeeping
from titans_cli.store.migrations import now
from titans_cli.store.records import NewDocument, Snapshot, StoredDocument, digest_of

__all__ = ["Catalog"]

UNUSED = "sha256 not in (select shard from documents)"


class Catalog:
    """The catalog of the store at ``home``. The connection is private: use its methods."""

    def __init__(self, home: Path, db: Database):
        self.home = home
        self.bookkeeping = Bookkeeping(db)
        self._db = db

    def transaction(self) -> AbstractContextManager[object]:
        """Make all changes inside, or none."""
        return self._db.atomic()

    # documents and shards

    def find_document(self, path: str, name: str, source_sha256: str, fingerprint: str) -> StoredDocument | None:
        """The document of that file with that content, if it was memorized, in any snapshot."""
        where = "path = ? and name = ? and source_sha256 = ? and fingerprint = ?"
        return next(self._select_documents(where, [path, name, source_sha256, fingerprint]), None)

    def find_content(self, source_sha256: str, suffix: str, fingerprint: str) -> StoredDocument | None:
        """Any document with that content and file name ending, whose memories serve a copy too."""
        where = "source_sha256 = ? and path like ? and fingerprint = ?"
        return next(self._select_documents(where, [source_sha256, f"%{suffix}", fingerprint]), None)

    def add_document(self, document: NewDocument, shard_bytes: int, imported: bool = False) -> StoredDocument:
        """Record a document whose shard was written, unless it is already recorded."""
        stored = self._find_same(document)
        if stored is None:
            with self._db.atomic():
                self._db.table("shards").insert({"sha256": document.shard, "bytes": shard_bytes}, ignore=True)
                self._db.table("documents").insert({**asdict(document), "imported": int(imported)})
            stored = self._find_same(document)
            assert stored is not None
        elif not imported:
            self.mark_as_own([stored])
        return stored

    def mark_as_own(self, documents: Iterable[StoredDocument]) -> None:
        """Record that the files of ``documents`` are on this machine, and did not only come from an import."""
        with self._db.atomic():
            for document in documents:
                if document.imported:
                    self._db.table("documents").update(document.id, {"imported": 0})

    def drop_unheld_documents(self) -> None:
        """Delete documents that no snapshot holds. Their shards' rows stay until ``drop_unused_shards``."""
        self._db.table("documents").delete_where("id not in (select document from snapshot_documents)")
        self._db.table("answers").delete_where("path not in (select path from documents)")

    def is_empty(self) -> bool:
        """Whether the catalog has neither documents nor snapshots."""
        return not self._db.table("snapshots").count and not self._db.table("documents").count

    def shards(self) -> dict[str, int]:
        """Bytes of each shard that a document needs."""
        return {row["sha256"]: row["bytes"] for row in self._db.table("shards").rows_where(f"not ({UNUSED})")}

    def unused_shards(self) -> dict[str, int]:
        """Bytes of each shard that no document needs and whose file may still exist."""
        return {row["sha256"]: row["bytes"] for row in self._db.table("shards").rows_where(UNUSED)}

    def drop_unused_shards(self) -> None:
        """Delete the rows of shards that no document needs, without a trace in the database."""
        self._db.table("shards").delete_where(UNUSED)
        self._db.execute("vacuum")
        self._db.execute("pragma wal_checkpoint(truncate)")

    def shard_bytes(self, documents: Iterable[StoredDocument]) -> int:
        """Bytes of the shards of ``documents``, shared ones counted once."""
        return sum(self._db.table("shards").get(digest)["bytes"] for digest in {d.shard for d in documents})

    def _find_same(self, document: NewDocument) -> StoredDocument | None:
        """The recorded document of that file with that content and the same memories."""
        where = "path = :path and name = :name and source_sha256 = :source_sha256 and fingerprint = :fingerprint and shard = :shard"
        return next(self._select_documents(where, asdict(document)), None)

    def _select_documents(self, where: str, values: Sequence[object] | dict[str, object]) -> Iterator[StoredDocument]:
        return (StoredDocument(**row) for row in self._db.table("documents").rows_where(where, values, order_by="name, path"))

    # snapshots

    def snapshots(self) -> list[Snapshot]:
        return [Snapshot(**row) for row in self._db.table("snapshots").rows_where(order_by="id")]

    def snapshot(self, name: str) -> Snapshot:
        """The snapshot of that name. Raises UsageError."""
        for row in self._db.table("snapshots").rows_where("name = ?", [name]):
            return Snapshot(**row)
        raise UsageError(f"No snapshot is named {name!r}. List them: titans snapshot list")

    def documents(self, snapshot: Snapshot) -> list[StoredDocument]:
        """Documents of a snapshot, by name."""
        where = "id in (select document from snapshot_documents where snapshot = ?)"
        return list(self._select_documents(where, [snapshot.id]))

    def holders(self, documents: Iterable[StoredDocument]) -> list[Snapshot]:
        """Snapshots that hold any of ``documents``, oldest first."""
        wanted = {document.id for document in documents}
        return [s for s in self.snapshots() if wanted & {d.id for d in self.documents(s)}]

    def add_snapshot(self, documents: Sequence[StoredDocument], fingerprint: str, name: str | None = None) -> Snapshot:
        """Make a snapshot of ``documents`` the head. Without a ``name`` it gets one, unless the head holds the same documents."""
        digest = digest_of(documents, fingerprint)
        parent = self.head()
        if name is None and parent is not None and parent.digest == digest:
            return parent
        if name is not None and self._db.table("snapshots").count_where("name = ?", [name]):
            raise UsageError(f"A snapshot named {name!r} already exists. Choose another name, or delete it: titans snapshot delete {name}")
        with self._db.atomic():
            row = {"created": now(), "fingerprint": fingerprint, "digest": digest, "parent": parent and parent.id}
            identity = 1 + max((s.id for s in self.snapshots()), default=0)
            self._db.table("snapshots").insert({**row, "id": identity, "name": name or f"auto-{identity}"})
            self._db.table("snapshot_documents").insert_all({"snapshot": identity, "document": d.id} for d in documents)
            self._db.table("head").insert({"one": 1, "snapshot": identity}, replace=True)
        return Snapshot(**self._db.table("snapshots").get(identity))

    def remove_snapshot(self, snapshot: Snapshot) -> None:
        """Delete the row of a snapshot; its children get its parent. Documents that only it held stay recorded."""
        parent = "select parent from snapshots where id = :id"
        self._db.execute(f"update snapshots set parent = ({parent}) where parent = :id", {"id": snapshot.id})
        self._db.table("snapshot_documents").delete_where("snapshot = ?", [snapshot.id])
        self._db.table("snapshots").delete(snapshot.id)

    def take_out(self, documents: Iterable[StoredDocument], snapshots: Iterable[Snapshot]) -> None:
        """Remove ``documents`` from ``snapshots``."""
        wanted = {document.id for document in documents}
        for snapshot in snapshots:
            held = self.documents(snapshot)
            left = [document for document in held if document.id not in wanted]
            if len(left) < len(held):
                for identity in wanted:
                    self._db.table("snapshot_documents").delete_where("snapshot = ? and document = ?", [snapshot.id, identity])
                self._db.table("snapshots").update(snapshot.id, {"digest": digest_of(left, snapshot.fingerprint)})

    # the head: the snapshot that questions are answered from

    def head(self) -> Snapshot | None:
        try:
            return Snapshot(**self._db.table("snapshots").get(self._db.table("head").get(1)["snapshot"]))
        except NotFoundError:
            return None

    def require_head(self, fingerprint: str | None = None) -> Snapshot:
        """The head. Raises NoStoreError if nothing is memorized, TooNewError if it was written with other model weights."""
        head = self.head()
        if head is None:
            raise NoStoreError(f"Nothing is memorized at {self.home}. Run: titans ingest FOLDER")
        if fingerprint is not None and head.fingerprint != fingerprint:
            raise TooNewError(
                f"The memories at {self.home} were written with other model weights ({head.fingerprint[:12]}, here "
                f"{fingerprint[:12]}). Memorize the documents again into another --home, or install the titans that wrote them."
            )
        return head

    def head_documents(self) -> list[StoredDocument]:
        """Documents of the head; none if nothing is memorized yet."""
        head = self.head()
        return self.documents(head) if head else []

    def set_head(self, snapshot: Snapshot) -> None:
        self._db.table("head").insert({"one": 1, "snapshot": snapshot.id}, replace=True)

    def current(self, snapshot: Snapshot) -> Snapshot:
        """``snapshot`` as it is now, or the head if it was deleted in between."""
        for row in self._db.table("snapshots").rows_where("id = ?", [snapshot.id]):
            return Snapshot(**row)
        return self.require_head()

    def keep_head(self, reason: str) -> Snapshot:
        """The snapshot that keeps the head's documents when the head changes.

        It is the head itself if the user named it or it is already such a snapshot, otherwise a new one called ``before-reason-…``.
        """
        head = self.require_head()
        if not head.name.startswith("auto-"):
            return head
        name = f"before-{reason}-{datetime.now():%Y%m%d-%H%M%S-%f}"
        return self.add_snapshot(self.documents(head), head.fingerprint, name)

    # soundness

    def broken_rows(self) -> list[str]:
        """The errors that SQLite finds in the database, one line each."""
        found = [str(row[0]) for row in self._db.execute("pragma integrity_check").fetchall() if row[0] != "ok"]
        return found + [f"row {row[1]} of {row[0]} refers to nothing" for row in self._db.execute("pragma foreign_key_check").fetchall()]
