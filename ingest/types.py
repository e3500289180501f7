"""What flows out of this package."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Document", "Page", "Segment", "Source"]


@dataclass(frozen=True)
class Source:
    """A file to be memorized. ``name`` is how answers call it: its path below the folder that was given."""

    path: Path
    name: str


@dataclass(frozen=True)
class Page:
    """Text of one page; ``number`` counts from 1 and is None where the format has no pages."""

    number: int | None
    text: str


@dataclass(frozen=True)
class Document:
    """Extracted text of one source. ``empty_pages`` had no text (scanned, or blank)."""

    source: Source
    sha256: str  # of the file's bytes
    size: int  # bytes
    pages: tuple[Page, ...]
    empty_pages: tuple[int, ...] = ()


@dataclass(frozen=True)
class Segment:
    """Consecutive sentences of one page, few enough for one memory; each sentence a tuple of tokens."""

    page: int | None
    sentences: tuple[tuple[int, ...], ...]
