"""The lock that lets only one process write to a store at a time."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from titans_cli.errors import LockedError
from titans_cli.store.migrations import now

__all__ = ["HOLDER", "LOCK", "hold_lock"]

LOCK = ".lock"
HOLDER = ".lock.holder"


@contextmanager
def hold_lock(home: Path) -> Iterator[None]:
    """Hold the store at ``home`` for writing. Raises LockedError if another process does.

    The system frees the lock of a process that ends, however it ends. A file beside it names the holder, for people to read.
    """
    lock, holder = FileLock(home / LOCK), home / HOLDER
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise LockedError(f"{told(holder)} is writing to {home}. Wait until it is done.") from error
    try:
        with suppress(OSError):  # a full disk must not keep anybody from making room
            holder.write_text(f"process {os.getpid()} on host {platform.node()}, since {now()}")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def told(holder: Path) -> str:
    try:
        return f"Another titans ({holder.read_text() or 'just started'})"
    except OSError:
        return "Another titans process"
