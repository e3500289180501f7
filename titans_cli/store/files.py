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
    """Let an OSError say which file it is about: those of write and fsync do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def shard_path(home: Path, digest: str) -> Path:
    return home / "shards" / digest[:2] / f"{digest}.safetensors"


def part_of(path: Path) -> Path:
    """A name beside ``path`` that no other process uses, for what is not whole yet or not any more."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def sync_folder(folder: Path) -> None:
    """Wait until the names in ``folder`` are on the disk."""
    if hasattr(os, "O_DIRECTORY"):  # Windows has no folder handles
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with naming(folder):
                os.fsync(handle)
        finally:
            os.close(handle)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it, and wait until they are on the disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def private(path: str, flags: int) -> int:
    """Opens a file that only its owner may read, as memories recite private documents."""
    return os.open(path, flags, 0o600)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A temporary file to write to that, when all went well, is synced and becomes ``path``, and the folder is synced.

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
    """Let ``data`` be in the file ``path``, whose folder is made if need be."""
    make_folder(path.parent)
    with whole_file(path) as file:
        file.write(data)


def remove_folder(folder: Path) -> None:
    """Take away a folder of files, under another name first: nobody shall find half of it.

    What another process takes away meanwhile is no error. What is mapped stays on Windows, until the next time.
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
