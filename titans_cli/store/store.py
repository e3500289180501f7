"""Opens, closes and locks a store. Its contents are in its catalog, see ``catalog.py``."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlite_utils import Database

from titans_cli.errors import LockedError, NoStoreError, TitansError, explain
from titans_cli.store.catalog import Catalog
from titans_cli.store.garbage import recover
from titans_cli.store.lock import HOLDER, LOCK, hold_lock
from titans_cli.store.migrations import PATIENCE, migrate, turn_to_wal

__all__ = ["Store"]


class Store(Catalog):
    """The catalog of one store with its lock. Open it with ``open``; close it with ``with`` or ``close``."""

    @classmethod
    def open(cls, home: Path, create: bool = False, patience: float = PATIENCE) -> "Store":
        """Open the store at ``home``; ``patience``: seconds to wait for other processes' transactions.

        Raises NoStoreError, DamagedError or TooNewError.
        """
        path = home / "titans.db"
        if not path.exists() and not create:
            raise NoStoreError(f"No memory at {home}. Run: titans ingest FOLDER")
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)  # memories recite private documents
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
        """Delete the store that ``open`` has just created, if no process uses it.

        An empty store does no harm: one that cannot be deleted stays.
        """
        with suppress(TitansError, OSError, sqlite3.Error):
            with Store.open(home) as store, store.locked(repair=False):
                if not store.is_empty():
                    return
                store.close()
                shutil.rmtree(home / "cache", ignore_errors=True)
                for folder in (
                    *(home / "shards").glob("*"),
                    home / "shards",
                ):  # empty ones: others may be of a store that lost its database
                    with suppress(OSError):
                        folder.rmdir()
                for name in ("titans.db", "titans.db-wal", "titans.db-shm", HOLDER, LOCK):
                    (home / name).unlink(missing_ok=True)
            if not any(home.iterdir()):
                home.rmdir()

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        name_store(error, self.home)
        self.close()

    @contextmanager
    def locked(self, repair: bool = True) -> Iterator[None]:
        """Hold the store for writing, after finishing what a killed process had started. Raises LockedError if another process writes."""
        with hold_lock(self.home):
            if not (self.home / "titans.db").exists():
                raise LockedError(f"Another titans process has just removed {self.home}. Run the same command again.")
            if repair:
                recover(self)
            yield


def name_store(error: BaseException | None, home: Path) -> None:
    """Add the store's path to an error of the disk or of the database."""
    if isinstance(error, OSError | sqlite3.Error) and getattr(error, "filename", None) is None:
        error.filename = str(home / "titans.db" if isinstance(error, sqlite3.Error) else home)  # type: ignore[union-attr]
