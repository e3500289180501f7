"""The catalog's other records: failures, settings, and how many answers each document gave.

They are not part of a snapshot or of its digest.
"""

from collections.abc import Iterable

from sqlite_utils import Database

from titans_cli.store.migrations import now
from titans_cli.store.records import Failure

__all__ = ["Bookkeeping"]


class Bookkeeping:
    """The bookkeeping of one store, see ``Store.bookkeeping``."""

    def __init__(self, db: Database):
        self._db = db

    def add_failure(self, path: str, reason: str, kind: str, source_sha256: str | None = None) -> None:
        row = {"path": path, "reason": reason, "kind": kind, "failed": now(), "source_sha256": source_sha256}
        self._db.table("failures").upsert(row, pk="path")

    def remove_failures(self, paths: Iterable[str]) -> None:
        with self._db.atomic():
            for path in paths:
                self._db.table("failures").delete_where("path = ?", [path])

    def failures(self) -> list[Failure]:
        return [Failure(**row) for row in self._db.table("failures").rows_where(order_by="path")]

    def setting(self, name: str) -> str | None:
        """A setting of this store, or None if it was never set."""
        return next((row["value"] for row in self._db.table("settings").rows_where("name = ?", [name])), None)

    def set_setting(self, name: str, value: str) -> None:
        self._db.table("settings").upsert({"name": name, "value": value}, pk="name")

    def answers(self) -> dict[str, int]:
        """How many answers each document has given, by path."""
        return {row["path"]: row["count"] for row in self._db.table("answers").rows}

    def count_answer(self, paths: Iterable[str]) -> None:
        """Record that the documents at ``paths`` gave an answer."""
        with self._db.atomic():
            for path in paths:
                self._db.execute("insert into answers values (?, 1) on conflict (path) do update set count = count + 1", [path])
