"""Text of PDFs, page by page, through pypdf."""

import io
import logging
from pathlib import Path

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from ingest.errors import SourceError
from ingest.text import clean
from ingest.types import Page

__all__ = ["pdf_pages"]

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings name no file and would break the progress bar


def pdf_pages(path: Path, data: bytes) -> tuple[list[Page], list[int]]:
    """Pages with text, and the numbers of those without. Raises SourceError for what is no readable PDF."""
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise SourceError(path, "is encrypted. Remove its password first.")
        count = len(reader.pages)
    except SourceError:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise SourceError(path, f"is not a readable PDF ({describe(error)}).") from error
    pages, empty, problem = [], [], ""
    for number in range(1, count + 1):
        try:
            text = clean(reader.pages[number - 1].extract_text())
        except Exception as error:  # pypdf raises nearly anything on broken content streams; the other pages are fine
            text, problem = "", describe(error)
        if text.strip():
            pages.append(Page(number, text))
        else:
            empty.append(number)
    if not pages:
        why = f"no page could be extracted ({problem})" if problem else "it is probably scanned: recognise its text (OCR) first"
        raise SourceError(path, f"has no text on any of its {count} pages; {why}.")
    return pages, empty


def describe(error: Exception) -> str:
    """One short line for an error of the PDF library."""
    return (str(error).split("\n")[0] or type(error).__name__)[:120].rstrip(".")
