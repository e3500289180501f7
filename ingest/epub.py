"""Extracts the text of e-books (.epub), chapter by chapter in reading order."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from ingest.archive import Archive, Element, beside
from ingest.errors import SourceError
from ingest.html import declared_text, html_text
from ingest.text import decode
from ingest.types import Limits

__all__ = ["epub_chapters"]

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
FONTS = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
"""Encryption methods for fonts, which are not part of the text."""
CHAPTERS = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})


def epub_chapters(path: Path, data: bytes, limits: Limits) -> Iterator[str]:
    """The title with the authors, then the text of each chapter, without tables of contents.

    Raises SourceError for an unreadable book, one with DRM, or one beyond the limits.
    """
    archive = Archive(path, data, limits)
    package = next((e.attributes.get("full-path", "") for e in archive.elements(CONTAINER) if e.name == "rootfile"), "")
    elements = archive.elements(package)
    protected = encrypted_parts(archive)
    yield "\n\n".join(" ".join("".join(e.text).split()) for e in elements if e.name in ("title", "creator") and any(e.text))
    for part in chapters(elements, package):
        if part in protected:
            raise SourceError(path, "is protected by DRM. Only books without DRM can be memorized.", "encrypted")
        markup = archive.read(part)
        yield html_text(declared_text(markup) or decode(path, markup)[0], titled=False)


def chapters(elements: list[Element], package: str) -> list[str]:
    """Names of the parts to read, each once, from the elements of the package document."""
    items = {e.attributes.get("id", ""): e.attributes for e in elements if e.name == "item"}
    contents = {
        beside(package, unquote(e.attributes.get("href", "")).partition("#")[0])
        for e in elements
        if e.name == "reference" and e.attributes.get("type") == "toc"
    }
    parts: dict[str, None] = {}
    for element in elements:
        item = items.get(element.attributes.get("idref", "")) if element.name == "itemref" else None
        if item is None or item.get("media-type") not in CHAPTERS or "nav" in item.get("properties", "").split():
            continue
        parts[beside(package, unquote(item.get("href", "")))] = None
    return [part for part in parts if part not in contents]


def encrypted_parts(archive: Archive) -> set[str]:
    """Names of the parts that cannot be read without a key."""
    if ENCRYPTION not in archive.names:
        return set()
    parts, hidden = set(), False
    for element in archive.elements(ENCRYPTION):
        if element.name == "EncryptedData":
            hidden = True
        elif element.name == "EncryptionMethod" and element.attributes.get("Algorithm") in FONTS:
            hidden = False
        elif element.name == "CipherReference" and hidden:
            parts.add(beside("", unquote(element.attributes.get("URI", ""))))
    return parts
