"""Errors of the program, each class with its exit code, and the one place that translates other errors into them.

    TitansError           1   anything that went wrong; the message is for people
    ├── UsageError        2   the command line asks for what cannot be
    ├── NoStoreError     10   nothing was memorized here yet
    ├── LockedError      11   another titans is writing to the store
    ├── DamagedError     12   a file of the store or an export is not what it should be
    └── TooNewError      13   written by a newer program or by other model weights

Exit code 3 (done, but some sources failed) and 130 (interrupted) are outcomes, not errors.
"""

import errno
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "PARTLY_FAILED",
    "DamagedError",
    "LockedError",
    "NoStoreError",
    "TitansError",
    "TooNewError",
    "UsageError",
    "explain",
    "translate",
    "translated",
]

PARTLY_FAILED = 3


class TitansError(Exception):
    """Root of the program's own errors. The message says what happened and what to do next."""

    exit_code = 1


class UsageError(TitansError):
    exit_code = 2


class NoStoreError(TitansError):
    exit_code = 10


class LockedError(TitansError):
    exit_code = 11


class DamagedError(TitansError):
    exit_code = 12


class TooNewError(TitansError):
    exit_code = 13


FULL = {errno.ENOSPC, errno.EDQUOT}
CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def explain(error: BaseException) -> TitansError | None:
    """The error for people that belongs to a file or database error; None for other errors. ``error.filename`` tells which file."""
    path = getattr(error, "filename", None) or "the store"
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.ProgrammingError):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return LockedError(f"Another titans process is using {path}. Run the same command again.")
        if code == sqlite3.SQLITE_FULL:
            return full(path)
        if code == sqlite3.SQLITE_IOERR:
            return failing(path, error)
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
            return closed(path, error)
        return DamagedError(f"Cannot use {path} ({error}). Restore it from an export: titans import FILE")
    if not isinstance(error, OSError) or error.errno in (None, errno.EPIPE):
        return None
    if error.errno in FULL:
        return full(path)
    if error.errno in CLOSED:
        return closed(path, error.strerror)
    if error.errno == errno.EIO:
        return failing(path, error.strerror)
    return TitansError(f"Cannot use {path} ({error.strerror}). Check it, then run the same command again.")


def full(path: str) -> TitansError:
    return TitansError(f"The disk with {path} is full. Nothing is lost: free some space, then run the same command again.")


def closed(path: str, why: object) -> TitansError:
    return TitansError(f"Cannot open or write {path} ({why}). Check its permissions, or choose another store with --home.")


def failing(path: str, why: object) -> TitansError:
    return TitansError(f"Reading or writing {path} failed ({why}). Check its disk, run the same command again, then run: titans check")


def translate(error: BaseException) -> TitansError | None:
    """The TitansError for ``error``, also for errors of the model, of files and of databases; None for a bug.

    Commands, the chat and the servers report errors through this function.
    """
    if isinstance(error, TitansError):
        return error
    model = sys.modules.get("model.errors")  # where nothing has loaded it, it raised nothing
    if model is not None and isinstance(error, model.ModelError):
        return TitansError(str(error))
    return explain(error)


@contextmanager
def translated() -> Iterator[None]:
    """Raise the translated error in place of an error; a bug is raised unchanged."""
    try:
        yield
    except TitansError:
        raise
    except Exception as error:
        told = translate(error)
        if told is None:
            raise
        raise told from error
