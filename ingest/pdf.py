"""Extracts the text of PDFs, page by page, with pypdf or pypdfium2."""

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pypdfium2
from pypdf import PdfReader

from ingest.errors import SourceError
from ingest.text import clean
from ingest.types import FailedPage, Options, Page

__all__ = ["ENGINES", "describe", "pdf_pages"]

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings name no file and would break the progress bar

SOFT_HYPHEN = "\N{SOFT HYPHEN}"  # in a PDF it is drawn, so it is a hyphen
CUT = "\x02"
"""PDFium's character for a hyphen at a line end, and for the line end with it."""

Opened = tuple[int, Callable[[int], str]]
"""Number of pages, and the text of one, counted from 0."""


def open_with_pypdf(path: Path, data: bytes, passwords: tuple[str, ...]) -> Opened:
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not any(reader.decrypt(password) for password in ("", *passwords)):
        raise encrypted(path)
    return len(reader.pages), lambda number: reader.pages[number].extract_text()


def open_with_pypdfium2(path: Path, data: bytes, passwords: tuple[str, ...]) -> Opened:
    for password in ("", *passwords):
        try:
            return pages_by_pypdfium2(pypdfium2.PdfDocument(data, password=password or None))
        except pypdfium2.PdfiumError as error:
            if "password" not in str(error).lower():
                raise
    raise encrypted(path)


def pages_by_pypdfium2(document: pypdfium2.PdfDocument) -> Opened:
    return len(document), lambda number: document[number].get_textpage().get_text_bounded().replace(CUT, "-\n")


ENGINES: dict[str, Callable[[Path, bytes, tuple[str, ...]], Opened]] = {"pypdf": open_with_pypdf, "pypdfium2": open_with_pypdfium2}


def encrypted(path: Path) -> SourceError:
    return SourceError(path, "is encrypted. Set TITANS_PDF_PASSWORD to its password.", "encrypted")


def pdf_pages(path: Path, data: bytes, options: Options, first: int = 1, engine: str | None = None) -> Iterator[Page | FailedPage]:
    """Yield pages from number ``first`` on, also those without text. Raises SourceError for an unreadable PDF.

    Uses ``engine`` or the one in ``options``; if neither is given, pypdf and, if that fails, pypdfium2.
    """
    engine = engine or options.pdf_engine
    names = list(ENGINES) if engine is None else [engine]
    opened: dict[str, Opened] = {}
    problem: Exception | None = None
    for name in names:
        try:
            opened[name] = ENGINES[name](path, data, options.passwords)
            break
        except (SourceError, MemoryError):
            raise
        except Exception as error:  # both raise nearly anything on broken files
            problem = problem or error
    if not opened:
        raise SourceError(path, f"is not a readable PDF ({describe(problem)}).", "corrupt") from problem
    count = next(iter(opened.values()))[0]
    if count == 0:
        raise SourceError(path, "has no pages. There is nothing to memorize.", "empty")
    for number in range(first, count + 1):
        problem = None
        for name in names:
            try:
                if name not in opened:
                    opened[name] = ENGINES[name](path, data, options.passwords)
                yield Page(number, clean(opened[name][1](number - 1).replace(SOFT_HYPHEN, "-")))
                break
            except Exception as error:
                problem = problem or error
        else:
            yield FailedPage(number, "it takes more memory than is allowed" if isinstance(problem, MemoryError) else describe(problem))


def describe(error: BaseException | None) -> str:
    """One short line for an error of the PDF library."""
    return (str(error).split("\n")[0] or type(error).__name__)[:120].rstrip(".")
