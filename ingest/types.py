"""The data types of this package: sources, pages and documents."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Document", "Encoding", "FailedPage", "Found", "Limits", "Options", "Page", "Segment", "Source", "Start"]


@dataclass(frozen=True)
class Source:
    """A file to memorize. ``name`` is shown in answers: the path below the folder that was given."""

    path: Path
    name: str
    data: bytes | None = None  # where there is no file: standard input, whose ``path`` is "-"


@dataclass(frozen=True)
class Limits:
    """Limits for one file. A file beyond them is refused, or only its beginning is kept (see ``Document.failed_pages``)."""

    bytes: int = 2 * 2**30
    pages: int = 20_000
    characters: int = 100_000_000
    page_seconds: float = 20.0
    file_seconds: float = 900.0
    memory: int = 2 * 2**30  # bytes of address space beyond what the worker has at its start


@dataclass(frozen=True)
class Options:
    """How files are read."""

    encoding: str | None = None  # of text files; told from their bytes when not given
    pdf_engine: str | None = None  # "pypdf" or "pypdfium2"; pypdf and then, where that fails, pypdfium2 when not given
    passwords: tuple[str, ...] = ()  # tried on encrypted PDFs
    limits: Limits = Limits()


@dataclass(frozen=True)
class Start:
    """The place from which a file is read: its beginning, or a later page after a worker was killed."""

    page: int = 1
    engine: str | None = None  # for PDFs; as ``Options`` say when None
    characters: int = 0  # read before, which count for the limit


@dataclass(frozen=True)
class Page:
    """Text of one page; ``number`` counts from 1 and is None where the format has no pages."""

    number: int | None
    text: str


@dataclass(frozen=True)
class FailedPage:
    """A page that could not be read, and why."""

    number: int
    reason: str


@dataclass(frozen=True)
class Encoding:
    """How the bytes of a text file were read."""

    name: str


Found = Page | FailedPage | Encoding
"""What reading a file yields, piece by piece."""


@dataclass(frozen=True)
class Document:
    """The extracted text of one source. ``empty_pages`` have no text (scanned or blank); ``failed_pages`` could not be read."""

    source: Source
    sha256: str  # of the file's bytes
    size: int  # bytes
    pages: tuple[Page, ...]
    empty_pages: tuple[int, ...] = ()
    failed_pages: tuple[tuple[int, str], ...] = ()  # number, reason
    encoding: str | None = None  # of a text file


@dataclass(frozen=True)
class Segment:
    """Consecutive sentences of one page that fit into one memory; each sentence is a tuple of tokens."""

    page: int | None
    sentences: tuple[tuple[int, ...], ...]
