"""Numbered migrations of the database's format, each recorded in its own transaction."""

import sqlite3
import time
from datetime import UTC, datetime

from sqlite_utils import Database

from titans_cli.errors import TooNewError

__all__ = ["PATIENCE", "migrate", "now", "turn_to_wal"]

PATIENCE = 10.0
"""Seconds to wait for another process's transaction."""


def now() -> str:
    """The current time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def create_tables(db: Database) -> None:
    db.table("shards").create({"sha256": str, "bytes": int}, pk="sha256", strict=True)
    db.table("documents").create(
        {
            "id": int,
            "path": str,
            "name": str,
            "source_sha256": str,
            "source_bytes": int,
            "pages": int,
            "tokens": int,
            "memories": int,
            "fingerprint": str,
            "shard": str,
        },
        pk="id",
        foreign_keys=[("shard", "shards", "sha256")],
        not_null={"path", "name", "source_sha256", "shard"},
        strict=True,
    )
    db.table("documents").create_index(["path", "source_sha256", "fingerprint", "shard", "name"], unique=True)
    db.table("snapshots").create(
        {"id": int, "name": str, "parent": int, "created": str, "fingerprint": str, "digest": str},
        pk="id",
        foreign_keys=[("parent", "snapshots", "id")],
        not_null={"name", "created", "fingerprint", "digest"},
        strict=True,
    )
    db.table("snapshots").create_index(["name"], unique=True)
    db.table("snapshot_documents").create(
        {"snapshot": int, "document": int},
        pk=("snapshot", "document"),
        foreign_keys=[("snapshot", "snapshots", "id"), ("document", "documents", "id")],
        strict=True,
    )
    db.table("head").create({"one": int, "snapshot": int}, pk="one", foreign_keys=[("snapshot", "snapshots", "id")], strict=True)
    db.table("failures").create({"path": str, "reason": str, "failed": str}, pk="path", strict=True)


def tell_failures_apart(db: Database) -> None:
    db.table("failures").add_column("kind", str, not_null_default="unreadable")


def keep_budgets(db: Database) -> None:
    db.table("failures").add_column("source_sha256", str)  # of a file that was memorized and dropped to stay within the budget
    db.table("settings").create({"name": str, "value": str}, pk="name", not_null={"value"}, strict=True)
    db.table("answers").create({"path": str, "count": int}, pk="path", not_null={"count"}, strict=True)
    db.table("documents").create_index(["source_sha256"])


def mark_imports(db: Database) -> None:
    db.table("documents").add_column("imported", int, not_null_default=0)


MIGRATIONS = [create_tables, tell_failures_apart, keep_budgets, mark_imports]


def applied(db: Database) -> int:
    return db.table("migrations").count if "migrations" in db.table_names() else 0


def migrate(db: Database) -> None:
    """Bring ``db`` to the newest format. Raises TooNewError if it is newer than this program."""
    while (done := applied(db)) != len(MIGRATIONS):
        if done > len(MIGRATIONS):
            raise TooNewError("This store was written by a newer titans. Upgrade: pip install --upgrade titans-cli")
        db.execute("begin immediate")
        try:
            if applied(db) == done:  # no other process has just made this step
                MIGRATIONS[done](db)
                db.table("migrations").insert({"number": done + 1, "applied": now()}, pk="number")
        except BaseException:
            db.rollback()
            raise
        db.commit()


def turn_to_wal(db: Database) -> None:
    """Switch to WAL, so that readers and a writer do not wait for each other.

    SQLite itself does not wait when several processes open a new database.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            db.enable_wal()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.02)
