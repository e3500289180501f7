"""Finding files and turning them into documents."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ingest.errors import SourceError
from ingest.html import html_text
from ingest.pdf import pdf_pages
from ingest.text import clean, decode
from ingest.types import Document, Page, Source

__all__ = ["SUFFIXES", "digest_of_file", "find_sources", "read_document"]

SUFFIXES = frozenset({".pdf", ".txt", ".md", ".rst", ".html", ".htm"})
"""Kinds of files that can be memorized."""


def find_sources(paths: Iterable[Path]) -> tuple[list[Source], list[SourceError]]:
    """Files to memorize, in a stable order, and what could not be looked at.

    Of a folder, all files of a known kind below it, hidden ones left out; a file that is named is taken whatever its kind.
    """
    sources: dict[Path, Source] = {}
    problems: list[SourceError] = []
    for given in paths:
        path = given.expanduser().absolute()
        if path.is_dir():
            for file in walk(path, problems):
                sources.setdefault(file.resolve(), Source(file, str(file.relative_to(path.parent))))
        elif path.is_file():
            sources.setdefault(path.resolve(), Source(path, path.name))
        elif path.exists():
            problems.append(SourceError(path, "is neither a file nor a folder."))
        else:
            problems.append(SourceError(path, "does not exist. Check the path."))
    return list(sources.values()), problems


def walk(folder: Path, problems: list[SourceError]) -> Iterable[Path]:
    def note(error: OSError) -> None:
        problems.append(SourceError(Path(error.filename), f"cannot be opened ({error.strerror}). Check its permissions."))

    for root, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(root, name)
            if not name.startswith(".") and file.suffix.lower() in SUFFIXES and file.is_file():
                yield file


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(path, f"cannot be opened ({error.strerror}). Check its permissions.") from error


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex. Raises SourceError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(path, f"cannot be opened ({error.strerror}). Check its permissions.") from error


def read_document(source: Source) -> Document:
    """Extract the text of one source. Raises SourceError when there is none to be had."""
    data = read_bytes(source.path)
    extract: Callable[[Path, bytes], tuple[list[Page], list[int]]]
    if source.path.suffix.lower() == ".pdf" or data.startswith(b"%PDF-"):
        extract = pdf_pages
    elif source.path.suffix.lower() in (".html", ".htm"):
        extract = html_pages
    else:
        extract = text_pages
    pages, empty = extract(source.path, data)
    if not any(page.text.strip() for page in pages):
        raise SourceError(source.path, "is empty. There is nothing to memorize.")
    return Document(source, hashlib.sha256(data).hexdigest(), len(data), tuple(pages), tuple(empty))


def html_pages(path: Path, data: bytes) -> tuple[list[Page], list[int]]:
    return [Page(None, clean(html_text(data)))], []


def text_pages(path: Path, data: bytes) -> tuple[list[Page], list[int]]:
    return [Page(None, clean(decode(path, data)))], []
