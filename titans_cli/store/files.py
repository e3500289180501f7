"""Writes files and folders atomically: they exist either completely or not at all."""

import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = [
    "make_folder",
    "naming",
    "part_of",
    "remove_folder",
    "sha256_of_file",
    "shard_path",
    "sync_folder",
    "whole_file",
    "write_atomically",
]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file's name to an OSError; those of write and fsync have none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def shard_path(home: Path, digest: str) -> Path:
    return home / "shards" / digest[:2] / f"{digest}.safetensors"


def part_of(path: Path) -> Path:
    """A unique name beside ``path``, for a file that is being written or deleted."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def sync_folder(folder: Path) -> None:
    """Wait until the names in ``folder`` are on disk."""
    if hasattr(os, "O_DIRECTORY"):  # Windows has no folder handles
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with naming(folder):
                os.fsync(handle)
        finally:
            os.close(handle)


def make_folder(folder: Path) -> None:
    """Create ``folder`` and its parents, and wait until they are on disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def private(path: str, flags: int) -> int:
    """Open a file that only its owner may read, because memories recite private documents."""
    return os.open(path, flags, 0o600)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A temporary file to write to. On success it is synced and renamed to ``path``, and the folder is synced.

    Only its owner may read it.
    """
    part = part_of(path)
    try:
        with naming(path), open(part, "xb", opener=private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):  # on a failing disk; what went wrong first is what is told
            part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to the file ``path`` atomically; its folder is created if needed."""
    make_folder(path.parent)
    with whole_file(path) as file:
        file.write(data)


def remove_folder(folder: Path) -> None:
    """Delete a folder of files, renamed first so that nobody finds half of it.

    Files that another process deletes in between are no error. On Windows, memory-mapped files stay until the next time.
    """
    gone = part_of(folder)
    try:
        folder.rename(gone)
        for path in gone.iterdir():
            path.unlink(missing_ok=True)
        gone.rmdir()
    except FileNotFoundError:
        return
    except PermissionError:
        if sys.platform != "win32":
            raise


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
