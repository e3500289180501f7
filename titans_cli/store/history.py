"""The database of the user's questions and answers, ``history.db``. It is not part of the memory and is never exported."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlite_utils import Database

from titans_cli.errors import TooNewError, explain
from titans_cli.store.migrations import PATIENCE, turn_to_wal

__all__ = ["History", "Turn"]

FORMAT = 1
NAME = "history.db"


@dataclass(frozen=True)
class Turn:
    """A question and its answer."""

    conversation: str  # its name: when it began, or what the user called it
    asked: str  # when, UTC
    question: str  # as it was typed
    understood: str  # as it was answered
    answer: str | None  # None: not in memory
    confidence: float
    sources: tuple[tuple[str, str, int | None], ...]  # path, name and page of each piece of evidence


class History:
    """Turns, oldest first. Open it with ``open``; it is a context manager."""

    def __init__(self, home: Path, db: Database):
        self.home = home
        self._db = db

    @classmethod
    def open(cls, home: Path) -> "History":
        """Open the history in the store at ``home``, which must be a folder. Raises TitansError."""
        connection = None
        try:
            new = not (home / NAME).exists()
            connection = sqlite3.connect(home / NAME, timeout=PATIENCE)
            db = Database(connection)
            if new:
                (home / NAME).chmod(0o600)
            turn_to_wal(db)
            db.execute("pragma secure_delete = on")
            prepare(db)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error):
                error.filename = str(home / NAME)  # type: ignore[attr-defined]
            told = explain(error)
            if told is None:
                raise
            raise told from error
        return cls(home, db)

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @property
    def kept(self) -> bool:
        """Whether the user has the history on."""
        return self._db.table("switch").count == 0

    def switch(self, keep: bool) -> None:
        """Turn the history on or off. Earlier turns stay."""
        if keep:
            self._db.table("switch").delete_where()
        else:
            self._db.table("switch").insert({"off": 1}, pk="off", replace=True)

    def add(self, turn: Turn) -> None:
        self._db.table("turns").insert({**asdict(turn), "sources": json.dumps(turn.sources)})

    def turns(self, words: Sequence[str] = (), conversation: str | None = None, last: int | None = None) -> list[Turn]:
        """The ``last`` turns that contain all ``words`` in question or answer, of one ``conversation`` or of all."""
        where = ["(question || ' ' || coalesce(answer, '') || ' ' || sources) like ? escape '\\'"] * len(words)
        values: list[object] = ["%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" for word in words]
        if conversation is not None:
            where.append("conversation = ?")
            values.append(conversation)
        rows = self._db.table("turns").rows_where(" and ".join(where) or None, values, order_by="id desc", limit=last)
        return [turn_of(row) for row in rows][::-1]

    def conversations(self) -> list[str]:
        """Names of conversations, the most recent first."""
        rows = self._db.execute("select conversation from turns group by conversation order by max(id) desc").fetchall()
        return [row[0] for row in rows]

    def rename(self, conversation: str, name: str) -> None:
        """Rename a conversation to ``name``."""
        with self._db.atomic():
            self._db.execute("update turns set conversation = ? where conversation = ?", [name, conversation])

    def clear(self) -> int:
        """Delete all turns without a trace; returns their number."""
        count = self._db.table("turns").count
        self._db.table("turns").delete_where()
        self.erase()
        return count

    def forget(self, paths: Iterable[str]) -> int:
        """Delete, without a trace, the turns whose answers come from documents at ``paths``; returns their number."""
        gone = set(paths)
        rows = [row["id"] for row in self._db.table("turns").rows if gone & {path for path, _, _ in turn_of(row).sources}]
        with self._db.atomic():
            for identity in rows:
                self._db.table("turns").delete(identity)
        self.erase()  # also when there are none: a killed run may have stopped short of it
        return len(rows)

    def erase(self) -> None:
        self._db.execute("vacuum")
        self._db.execute("pragma wal_checkpoint(truncate)")


def turn_of(row: dict) -> Turn:
    facts = {name: row[name] for name in Turn.__dataclass_fields__}
    return Turn(**{**facts, "sources": tuple(tuple(source) for source in json.loads(row["sources"]))})


def prepare(db: Database) -> None:
    """Create the tables if needed. Raises TooNewError."""
    version = db.execute("pragma user_version").fetchone()[0]
    if version > FORMAT:
        raise TooNewError("This history was written by a newer titans. Upgrade: pip install --upgrade titans-cli")
    if version == FORMAT:
        return
    with db.atomic():
        columns = {"id": int, "conversation": str, "asked": str, "question": str, "understood": str, "answer": str, "confidence": float}
        db.table("turns").create({**columns, "sources": str}, pk="id", if_not_exists=True, strict=True)
        db.table("switch").create({"off": int}, pk="off", if_not_exists=True, strict=True)
        db.execute(f"pragma user_version = {FORMAT}")
