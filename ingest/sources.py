"""Finds the files to memorize below the paths that are given."""

import hashlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from ingest.errors import SourceError
from ingest.types import Source

__all__ = ["SUFFIXES", "digest_of_file", "find_sources", "read_bytes"]

SUFFIXES = frozenset({".pdf", ".docx", ".epub", ".txt", ".text", ".md", ".markdown", ".rst", ".html", ".htm", ".xhtml"})
"""Kinds of files that can be memorized."""
STANDARD_INPUT = Path("-")


def find_sources(paths: Iterable[Path], include: Sequence[str] = (), exclude: Sequence[str] = ()) -> tuple[list[Source], list[SourceError]]:
    """The files to memorize, in a stable order, and the paths that could not be read.

    For a folder: all files of a known kind below it, or those that match a pattern of ``include``, without hidden ones and those that match
    one of ``exclude``. A file that is named is taken whatever its kind; "-" is standard input. Patterns match the name, or the path below
    the folder.
    """
    sources: dict[object, Source] = {}
    problems: list[SourceError] = []
    for given in paths:
        if given == STANDARD_INPUT:
            sources.setdefault(STANDARD_INPUT, Source(STANDARD_INPUT, "standard input", sys.stdin.buffer.read()))
            continue
        path = given.expanduser().absolute()
        if path.is_dir():
            for file in walk(path, include, exclude, problems):
                sources.setdefault(identity(file), Source(file, printable(str(file.relative_to(path.parent)))))
        elif path.is_file():
            sources.setdefault(identity(path), Source(path, printable(path.name)))
        elif path.exists():
            problems.append(SourceError(path, "is neither a file nor a folder."))
        else:
            problems.append(SourceError(path, "does not exist. Check the path.", "missing"))
    return list(sources.values()), problems


def identity(path: Path) -> tuple[int, int] | Path:
    """What identifies a file or folder, whichever path leads to it."""
    try:
        facts = path.stat()
    except OSError:
        return path
    return (facts.st_dev, facts.st_ino) if facts.st_ino else path.resolve()


def printable(name: str) -> str:
    """The name with question marks for bytes that are not UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def fits(patterns: Sequence[str], below: str) -> bool:
    return any(fnmatch(below, pattern) or fnmatch(below.rpartition("/")[2], pattern) for pattern in patterns)


def walk(folder: Path, include: Sequence[str], exclude: Sequence[str], problems: list[SourceError]) -> Iterator[Path]:
    """Files below ``folder``, sorted by name. Linked folders are followed, each once."""

    def note(error: OSError) -> None:
        problems.append(SourceError(Path(error.filename), f"cannot be opened ({error.strerror}). Check its permissions."))

    seen = {identity(folder)}
    for root, folders, files in os.walk(folder, onerror=note, followlinks=True):
        below = Path(root).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        kept = []
        for name in sorted(folders):
            mark = identity(Path(root, name))
            if not name.startswith(".") and not fits(exclude, prefix + name) and mark not in seen:
                seen.add(mark)
                kept.append(name)
        folders[:] = kept
        for name in sorted(files):
            file = Path(root, name)
            wanted = fits(include, prefix + name) if include else file.suffix.lower() in SUFFIXES
            if wanted and not name.startswith(".") and not fits(exclude, prefix + name) and is_regular(file):
                yield file


def is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def read_bytes(source: Source) -> bytes:
    """All bytes of a source. Raises SourceError."""
    if source.data is not None:
        return source.data
    try:
        return source.path.read_bytes()
    except OSError as error:
        raise unreadable(source, error) from error


def digest_of_file(source: Source) -> str:
    """SHA-256 of a source's bytes, as hex. Raises SourceError."""
    if source.data is not None:
        return hashlib.sha256(source.data).hexdigest()
    try:
        with source.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(source, error) from error


def unreadable(source: Source, error: OSError) -> SourceError:
    return SourceError(source.path, f"cannot be opened ({error.strerror}). Check its permissions.")
