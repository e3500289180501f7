"""Turns the bytes of a file into pages, by its kind and within limits."""

import hashlib
from collections.abc import Iterable, Iterator

from ingest.docx import docx_text, refuse_other_words
from ingest.epub import epub_chapters
from ingest.errors import SourceError
from ingest.html import declared_text, html_text
from ingest.layout import laid_out
from ingest.pdf import describe, pdf_pages
from ingest.sources import read_bytes
from ingest.text import clean, decode
from ingest.types import Document, Encoding, FailedPage, Found, Options, Page, Source, Start

__all__ = ["assemble", "read_document", "read_pages"]


ZIP = b"PK\x03\x04"
EPUB = b"mimetype"
"""The name of an e-book's first member, at byte 30."""


def begins_as_epub(data: bytes) -> bool:
    return data.startswith(ZIP) and data.startswith(EPUB, 30)


def is_pdf(source: Source, data: bytes) -> bool:
    return source.path.suffix.lower() == ".pdf" or data.startswith(b"%PDF-")


def read_pages(source: Source, data: bytes, options: Options, start: Start = Start()) -> Iterator[Found]:  # noqa: B008 (immutable)
    """Yield the pages of ``source``, whose bytes are ``data``, from ``start`` on.

    Raises SourceError if there are none. Pages beyond the limits of pages and characters are skipped: the first such page is yielded as a
    FailedPage, and is the last.
    """
    limits, characters = options.limits, start.characters
    if len(data) > limits.bytes:
        raise SourceError(source.path, f"has {len(data):,} bytes, more than the limit of {limits.bytes:,}.", "limit")
    for found in pages_of(source, data, options, start):
        if isinstance(found, Page):
            characters += len(found.text)
            if found.number is not None and found.number > limits.pages:
                yield FailedPage(found.number, f"the limit is {limits.pages:,} pages per file; this page and all later ones were skipped")
                return
            if characters > limits.characters:
                if found.number is None:
                    raise SourceError(source.path, f"has more than {limits.characters:,} characters, which is the limit.", "limit")
                yield FailedPage(
                    found.number, f"the limit is {limits.characters:,} characters per file; this page and all later ones were skipped"
                )
                return
        yield found


def pages_of(source: Source, data: bytes, options: Options, start: Start) -> Iterator[Found]:
    """Yield what is found in the file, whatever its size. Raises SourceError, also for errors of the library that reads it."""
    try:
        yield from pages_by_kind(source, data, options, start)
    except (SourceError, MemoryError):
        raise
    except Exception as error:
        raise SourceError(source.path, f"cannot be read ({describe(error)}).", "corrupt") from error


def pages_by_kind(source: Source, data: bytes, options: Options, start: Start) -> Iterator[Found]:
    path, suffix = source.path, source.path.suffix.lower()
    if is_pdf(source, data):
        yield from pdf_pages(path, data, options, start.page, start.engine)
        return
    refuse_other_words(path, data)
    if suffix == ".epub" or begins_as_epub(data):
        for chapter in epub_chapters(path, data, options.limits):
            yield Page(None, clean(chapter))
    elif suffix == ".docx" or data.startswith(ZIP):
        yield Page(None, clean(docx_text(path, data, options.limits)))
    elif suffix in (".html", ".htm", ".xhtml"):
        markup = declared_text(data)
        if markup is None:
            markup, encoding = decode(path, data, options.encoding)
            yield Encoding(encoding)
        yield Page(None, clean(html_text(markup)))
    else:
        text, encoding = decode(path, data, options.encoding)
        yield Encoding(encoding)
        yield Page(None, clean(text))


def assemble(source: Source, sha256: str, size: int, found: Iterable[Found]) -> Document:
    """Build the document from what was found. Raises SourceError if it contains no text."""
    pages, empty, failed, encoding = [], [], [], None
    for item in found:
        if isinstance(item, Encoding):
            encoding = item.name
        elif isinstance(item, FailedPage):
            failed.append((item.number, item.reason))
        elif item.text.strip():
            pages.append(item)
        elif item.number is not None:
            empty.append(item.number)
    if not pages and not empty and not failed:
        raise SourceError(source.path, "is empty. There is nothing to memorize.", "empty")
    if not pages:
        why = "it is probably a scan: run OCR on it first"
        if failed:
            why = f"page {failed[0][0]} was not read: {failed[0][1]}"
        count = len(empty) + len(failed)
        raise SourceError(source.path, f"has no text ({count} {'page' if count == 1 else 'pages'}); {why}.", "no text")
    return Document(source, sha256, size, laid_out(pages), tuple(empty), tuple(failed), encoding)


def read_document(source: Source, options: Options = Options()) -> Document:  # noqa: B008 (immutable)
    """Extract the text of one source in this process. Raises SourceError if there is none."""
    data = read_bytes(source)
    return assemble(source, hashlib.sha256(data).hexdigest(), len(data), read_pages(source, data, options))
