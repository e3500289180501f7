"""The store's index: which documents, shards and snapshots there are. The only module that speaks SQL."""

import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.db import NotFoundError

from titans_cli.errors import LockedError, NoStoreError, TitansError, TooNewError, UsageError, explain
from titans_cli.store.files import remove_folder, shard_path
from titans_cli.store.lock import HOLDER, LOCK, hold_lock
from titans_cli.store.migrations import PATIENCE, migrate, now, turn_to_wal

__all__ = ["BUDGET", "Failure", "NewDocument", "Snapshot", "Store", "StoredDocument", "digest_of", "is_automatic"]

BUDGET = "budget"
"""The setting, and the kind of failure that a document forgotten for want of room is listed as."""
AUTOMATIC = re.compile(r"auto-.*|before-[a-z]+-\d{8}-\d{6}-\d{6}")

UNUSED = "sha256 not in (select shard from documents)"


@dataclass(frozen=True)
class NewDocument:
    """A memorized document, about to be recorded."""

    path: str  # absolute; with it the file is recognised
    name: str  # what answers call it
    source_sha256: str
    source_bytes: int
    pages: int | None
    tokens: int
    memories: int
    fingerprint: str  # of the model that wrote it
    shard: str


@dataclass(frozen=True)
class StoredDocument(NewDocument):
    """A memorized document."""

    id: int
    imported: int  # 1 when it came with an export, and its file was never memorized here; not part of a snapshot's digest


@dataclass(frozen=True)
class Failure:
    """A file that could not be memorized."""

    path: str
    reason: str
    failed: str  # when, UTC
    kind: str  # see ``ingest.errors``; "budget" for what was forgotten for want of room
    source_sha256: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """A name for an immutable set of documents."""

    id: int
    name: str
    parent: int | None
    created: str
    fingerprint: str
    digest: str


def is_automatic(name: str) -> bool:
    """Whether a snapshot's name is one that the program gives: pruning deletes old ones, and users cannot choose it."""
    return AUTOMATIC.fullmatch(name) is not None


def digest_of(documents: Iterable[NewDocument], fingerprint: str) -> str:
    """One SHA-256 over everything a snapshot holds; the order of reading and row numbers do not enter."""
    rows = sorted([d.path, d.name, d.source_sha256, d.shard] for d in documents)
    return hashlib.sha256(json.dumps([fingerprint, rows], ensure_ascii=True).encode()).hexdigest()


def name_store(error: BaseException | None, home: Path) -> None:
    """Let an error of the disk or of the index say where that was."""
    if isinstance(error, OSError | sqlite3.Error) and getattr(error, "filename", None) is None:
        error.filename = str(home / "titans.db" if isinstance(error, sqlite3.Error) else home)  # type: ignore[union-attr]


class Store:
    """One store. Use ``open``; close by ``with`` or ``close``."""

    def __init__(self, home: Path, db: Database):
        self.home = home
        self.db = db

    @classmethod
    def open(cls, home: Path, create: bool = False, patience: float = PATIENCE) -> "Store":
        """Open the store at ``home``; ``patience``: seconds to wait for other processes' transactions.

        Raises NoStoreError, DamagedError or TooNewError.
        """
        path = home / "titans.db"
        if not path.exists() and not create:
            raise NoStoreError(f"No memory at {home}. Run: titans ingest FOLDER")
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TitansError(f"Cannot create the store {home} ({error.strerror}). Choose another with --home.") from error
        connection = None
        try:
            connection = sqlite3.connect(path, timeout=patience)
            db = Database(connection)
            turn_to_wal(db)
            db.execute("pragma foreign_keys = on")
            db.execute("pragma secure_delete = on")
            migrate(db)
        except BaseException as error:
            if connection is not None:
                connection.close()
            name_store(error, home)
            told = explain(error)
            if told is None:
                raise
            raise told from error
        return cls(home, db)

    @staticmethod
    def remove_new(home: Path) -> None:
        """Take away the store that ``open`` has just made, if no process has put anything into it or is about to.

        An empty store does no harm: one that cannot be taken away stays.
        """
        with suppress(TitansError, OSError, sqlite3.Error):
            with Store.open(home) as store, store.locked(recover=False):
                if store.db.table("snapshots").count or store.db.table("documents").count:
                    return
                store.close()
                shutil.rmtree(home / "cache", ignore_errors=True)
                for folder in (*(home / "shards").glob("*"), home / "shards"):  # empty ones: others may be of a store that lost its index
                    with suppress(OSError):
                        folder.rmdir()
                for name in ("titans.db", "titans.db-wal", "titans.db-shm", HOLDER, LOCK):
                    (home / name).unlink(missing_ok=True)
            if not any(home.iterdir()):
                home.rmdir()

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        name_store(error, self.home)
        self.close()

    @contextmanager
    def locked(self, recover: bool = True) -> Iterator[None]:
        """Hold the store for writing, and finish first what a killed process had begun. Raises LockedError when another process writes."""
        with hold_lock(self.home):
            if not (self.home / "titans.db").exists():
                raise LockedError(f"Another titans has just taken away {self.home}. Run the same command again.")
            if recover:
                self.recover()
            yield

    def recover(self) -> None:
        """Finish what a killed process had begun to take away, and take away what it had not finished writing."""
        if self.db.table("shards").count_where(UNUSED):
            self.erase()
        for part in (self.home / "shards").glob("*/.*.part"):
            part.unlink(missing_ok=True)
        head = self.head()
        self.drop_indexes(head.digest if head else None)

    def drop_indexes(self, keep: str | None, unfinished: bool = True) -> None:
        """Take away all indexes but that named ``keep``; ``unfinished``: also those that other processes are building."""
        for folder in (self.home / "cache").glob("*"):
            if folder.name != keep and (unfinished or not folder.name.startswith(".")):
                remove_folder(folder)

    # documents

    def find_document(self, path: str, name: str, source_sha256: str, fingerprint: str) -> StoredDocument | None:
        """The document of that file with that content, if it was memorized, whichever snapshot it belongs to."""
        where = "path = ? and name = ? and source_sha256 = ? and fingerprint = ?"
        return next(self.select_documents(where, [path, name, source_sha256, fingerprint]), None)

    def find_content(self, source_sha256: str, suffix: str, fingerprint: str) -> StoredDocument | None:
        """Any document with that content and file name ending: another copy's memories serve it too."""
        where = "source_sha256 = ? and path like ? and fingerprint = ?"
        return next(self.select_documents(where, [source_sha256, f"%{suffix}", fingerprint]), None)

    def find_same(self, document: NewDocument) -> StoredDocument | None:
        """The recorded document of that file with that content and the same memories."""
        where = "path = :path and name = :name and source_sha256 = :source_sha256 and fingerprint = :fingerprint and shard = :shard"
        return next(self.select_documents(where, asdict(document)), None)

    def select_documents(self, where: str, values: Sequence[object] | dict[str, object]) -> Iterator[StoredDocument]:
        return (StoredDocument(**row) for row in self.db.table("documents").rows_where(where, values, order_by="name, path"))

    def add_document(self, document: NewDocument, shard_bytes: int, imported: bool = False) -> StoredDocument:
        """Record a document whose shard has been written, unless it is recorded already."""
        stored = self.find_same(document)
        if stored is None:
            with self.db.atomic():
                self.db.table("shards").insert({"sha256": document.shard, "bytes": shard_bytes}, ignore=True)
                self.db.table("documents").insert({**asdict(document), "imported": int(imported)})
            stored = self.find_same(document)
            assert stored is not None
        elif not imported:
            self.own([stored])
        return stored

    def own(self, documents: Iterable[StoredDocument]) -> None:
        """Note that the files of ``documents`` are here: they did not only come with an export."""
        with self.db.atomic():
            for document in documents:
                if document.imported:
                    self.db.table("documents").update(document.id, {"imported": 0})

    def add_failure(self, path: str, reason: str, kind: str, source_sha256: str | None = None) -> None:
        row = {"path": path, "reason": reason, "kind": kind, "failed": now(), "source_sha256": source_sha256}
        self.db.table("failures").upsert(row, pk="path")

    def remove_failures(self, paths: Iterable[str]) -> None:
        with self.db.atomic():
            for path in paths:
                self.db.table("failures").delete_where("path = ?", [path])

    def failures(self) -> list[Failure]:
        return [Failure(**row) for row in self.db.table("failures").rows_where(order_by="path")]

    def shard_bytes(self, documents: Iterable[StoredDocument]) -> int:
        """Bytes of the shards of ``documents``, shared ones counted once."""
        return sum(self.db.table("shards").get(digest)["bytes"] for digest in {d.shard for d in documents})

    # snapshots

    def snapshots(self) -> list[Snapshot]:
        return [Snapshot(**row) for row in self.db.table("snapshots").rows_where(order_by="id")]

    def snapshot(self, name: str) -> Snapshot:
        """The snapshot of that name. Raises UsageError."""
        for row in self.db.table("snapshots").rows_where("name = ?", [name]):
            return Snapshot(**row)
        raise UsageError(f"There is no snapshot {name!r}. See them with: titans snapshot list")

    def current(self, snapshot: Snapshot) -> Snapshot:
        """``snapshot`` as it is now; the head, if it was deleted meanwhile."""
        for row in self.db.table("snapshots").rows_where("id = ?", [snapshot.id]):
            return Snapshot(**row)
        return self.require_head()

    def head(self) -> Snapshot | None:
        """The snapshot that questions are answered from."""
        try:
            return Snapshot(**self.db.table("snapshots").get(self.db.table("head").get(1)["snapshot"]))
        except NotFoundError:
            return None

    def require_head(self, fingerprint: str | None = None) -> Snapshot:
        """The head; raises NoStoreError when nothing was memorized, TooNewError when other model weights wrote it."""
        head = self.head()
        if head is None:
            raise NoStoreError(f"Nothing is memorized at {self.home}. Run: titans ingest FOLDER")
        if fingerprint is not None and head.fingerprint != fingerprint:
            raise TooNewError(
                f"The memories at {self.home} were written by other model weights ({head.fingerprint[:12]}, these are "
                f"{fingerprint[:12]}). Memorize the documents again into another --home, or install the titans that wrote them."
            )
        return head

    def documents(self, snapshot: Snapshot) -> list[StoredDocument]:
        """Documents of a snapshot, by name."""
        where = "id in (select document from snapshot_documents where snapshot = ?)"
        return list(self.select_documents(where, [snapshot.id]))

    def add_snapshot(self, documents: Sequence[StoredDocument], fingerprint: str, name: str | None = None) -> Snapshot:
        """Make a snapshot of ``documents`` the head. Without a ``name`` it gets one, unless the head holds the same already."""
        digest = digest_of(documents, fingerprint)
        parent = self.head()
        if name is None and parent is not None and parent.digest == digest:
            return parent
        if name is not None and self.db.table("snapshots").count_where("name = ?", [name]):
            raise UsageError(f"There is a snapshot {name!r} already. Choose another name, or delete it: titans snapshot delete {name}")
        with self.db.atomic():
            row = {"created": now(), "fingerprint": fingerprint, "digest": digest, "parent": parent and parent.id}
            identity = 1 + max((s.id for s in self.snapshots()), default=0)
            self.db.table("snapshots").insert({**row, "id": identity, "name": name or f"auto-{identity}"})
            self.db.table("snapshot_documents").insert_all({"snapshot": identity, "document": d.id} for d in documents)
            self.db.table("head").insert({"one": 1, "snapshot": identity}, replace=True)
        return Snapshot(**self.db.table("snapshots").get(identity))

    def keep_head(self, reason: str) -> Snapshot:
        """The snapshot by which what the head holds can be brought back once the head has changed.

        It is the head itself when the user has named it or it is one of these, and a new one called ``before-reason-…`` otherwise.
        """
        head = self.require_head()
        if not head.name.startswith("auto-"):
            return head
        name = f"before-{reason}-{datetime.now():%Y%m%d-%H%M%S-%f}"
        return self.add_snapshot(self.documents(head), head.fingerprint, name)

    def set_head(self, snapshot: Snapshot) -> None:
        self.db.table("head").insert({"one": 1, "snapshot": snapshot.id}, replace=True)

    def delete_snapshot(self, snapshot: Snapshot) -> int:
        """Delete a snapshot and what only it held; returns the bytes freed. Raises UsageError for the head."""
        head = self.head()
        if head is not None and head.id == snapshot.id:
            raise UsageError(f"{snapshot.name!r} is what questions are answered from. Restore another snapshot first.")
        with self.db.atomic():
            self.remove_snapshot(snapshot)
            self.drop_documents()
        return self.erase()

    def remove_snapshot(self, snapshot: Snapshot) -> None:
        parent = "select parent from snapshots where id = :id"
        self.db.execute(f"update snapshots set parent = ({parent}) where parent = :id", {"id": snapshot.id})
        self.db.table("snapshot_documents").delete_where("snapshot = ?", [snapshot.id])
        self.db.table("snapshots").delete(snapshot.id)

    def holders(self, documents: Iterable[StoredDocument]) -> list[Snapshot]:
        """Snapshots that hold any of ``documents``, oldest first."""
        wanted = {document.id for document in documents}
        return [s for s in self.snapshots() if wanted & {d.id for d in self.documents(s)}]

    def forget(self, documents: Sequence[StoredDocument], everywhere: bool) -> tuple[list[Snapshot], int]:
        """Take ``documents`` out of the head, or out of all snapshots; returns those that hold them still, and the bytes freed."""
        wanted = {document.id for document in documents}
        head = self.require_head()
        with self.db.atomic():
            if not everywhere:
                self.add_snapshot([d for d in self.documents(head) if d.id not in wanted], head.fingerprint)
            else:
                self.take_out(documents, self.snapshots())
            self.remove_failures(document.path for document in documents)
            self.drop_documents()
        return self.holders(documents), self.erase()

    def take_out(self, documents: Iterable[StoredDocument], snapshots: Iterable[Snapshot]) -> None:
        """Let ``snapshots`` hold ``documents`` no more."""
        wanted = {document.id for document in documents}
        for snapshot in snapshots:
            held = self.documents(snapshot)
            left = [document for document in held if document.id not in wanted]
            if len(left) < len(held):
                for identity in wanted:
                    self.db.table("snapshot_documents").delete_where("snapshot = ? and document = ?", [snapshot.id, identity])
                self.db.table("snapshots").update(snapshot.id, {"digest": digest_of(left, snapshot.fingerprint)})

    def collect(self) -> int:
        """Delete documents that no snapshot holds, and shards that no document needs; returns the bytes freed."""
        with self.db.atomic():
            self.drop_documents()
        return self.erase()

    def drop_documents(self) -> None:
        """Delete documents that no snapshot holds. Their shards' rows stay until ``erase`` has deleted the files."""
        self.db.table("documents").delete_where("id not in (select document from snapshot_documents)")
        self.db.table("answers").delete_where("path not in (select path from documents)")

    def erase(self) -> int:
        """Delete shards that no document needs, without a trace; returns the bytes freed.

        A row goes after its file: when a kill comes between, ``recover`` finds it and goes on.
        """
        unused = list(self.db.table("shards").rows_where(UNUSED))
        for row in unused:
            shard_path(self.home, row["sha256"]).unlink(missing_ok=True)
        self.db.table("shards").delete_where(UNUSED)
        self.db.execute("vacuum")
        self.db.execute("pragma wal_checkpoint(truncate)")
        return sum(row["bytes"] for row in unused)

    def orphans(self) -> list[Path]:
        """Files below ``shards`` that no document needs: what a killed process left."""
        known = {shard_path(self.home, digest) for digest in self.shards()}
        return sorted(path for path in (self.home / "shards").rglob("*") if path.is_file() and path not in known)

    def shards(self) -> dict[str, int]:
        """Bytes of each shard that a document needs."""
        return {row["sha256"]: row["bytes"] for row in self.db.table("shards").rows_where(f"not ({UNUSED})")}

    def broken_rows(self) -> list[str]:
        """What SQLite finds wrong with the index, a line each."""
        found = [str(row[0]) for row in self.db.execute("pragma integrity_check").fetchall() if row[0] != "ok"]
        return found + [f"row {row[1]} of {row[0]} refers to nothing" for row in self.db.execute("pragma foreign_key_check").fetchall()]

    # settings and use

    def setting(self, name: str) -> str | None:
        """A setting of this store, None where it was never set."""
        return next((row["value"] for row in self.db.table("settings").rows_where("name = ?", [name])), None)

    def set_setting(self, name: str, value: str) -> None:
        self.db.table("settings").upsert({"name": name, "value": value}, pk="name")

    def answers(self) -> dict[str, int]:
        """How many answers each document has given, by path."""
        return {row["path"]: row["count"] for row in self.db.table("answers").rows}

    def count_answer(self, paths: Iterable[str]) -> None:
        """Note that the documents at ``paths`` gave an answer."""
        with self.db.atomic():
            for path in paths:
                self.db.execute("insert into answers values (?, 1) on conflict (path) do update set count = count + 1", [path])
