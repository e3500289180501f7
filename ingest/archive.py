"""Reads zip files of XML (.docx and .epub) in memory, with bounded sizes."""

import io
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat
from zipfile import ZipFile

from ingest.errors import SourceError
from ingest.types import Limits

__all__ = ["Archive", "Element", "Handler", "beside", "parse"]

PIECE = 2**18
"""Bytes that are unpacked in one step."""
ENCRYPTED = 1
"""The flag of an encrypted member."""


class Element(NamedTuple):
    """An element of an XML document, with local names of the element and its attributes."""

    name: str
    attributes: dict[str, str]
    text: list[str]  # that stands in it directly


class Handler(ABC):
    """The callbacks of ``parse``, to be overridden. Names are local, without their namespace."""

    @abstractmethod
    def start(self, tag: str, attributes: dict[str, str]) -> None: ...

    @abstractmethod
    def end(self, tag: str) -> None: ...

    @abstractmethod
    def characters(self, text: str) -> None: ...


class Collector(Handler):
    """Keeps all elements; for small members."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.open: list[Element] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.open.append(Element(tag, attributes, []))
        self.elements.append(self.open[-1])

    def end(self, tag: str) -> None:
        self.open.pop()

    def characters(self, text: str) -> None:
        self.open[-1].text.append(text)


class Archive:
    """Members of a zip file by name. All members that are read may have ``limits.bytes`` bytes in total."""

    def __init__(self, path: Path, data: bytes, limits: Limits):
        """Raises SourceError for a file that is not a zip file."""
        self.path, self.left, self.limit = path, limits.bytes, limits.bytes
        try:
            self.zip = ZipFile(io.BytesIO(data))
        except MemoryError:
            raise
        except Exception as error:  # zipfile raises nearly anything on broken files
            raise self.corrupt(error) from error
        self.names = frozenset(self.zip.namelist())

    def corrupt(self, why: object) -> SourceError:
        return SourceError(self.path, f"is damaged ({' '.join(str(why).split())[:120].rstrip('.')}).", "corrupt")

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a member, piece by piece. Raises SourceError when it is missing, broken, encrypted or too large."""
        if name not in self.names:
            raise self.corrupt(f"its part {name!r} is missing")
        if self.zip.getinfo(name).flag_bits & ENCRYPTED:
            raise SourceError(self.path, "is encrypted. Save it without a password first.", "encrypted")
        try:
            with self.zip.open(name) as member:
                while piece := member.read(PIECE):
                    self.left -= len(piece)
                    if self.left < 0:
                        raise SourceError(self.path, f"is larger than {self.limit:,} bytes when unpacked, which is the limit.", "limit")
                    yield piece
        except (SourceError, MemoryError):
            raise
        except Exception as error:  # as above
            raise self.corrupt(f"part {name!r}: {error or type(error).__name__}") from error

    def read(self, name: str) -> bytes:
        """All bytes of a member. Raises SourceError like ``pieces``."""
        return b"".join(self.pieces(name))

    def elements(self, name: str) -> list["Element"]:
        """The elements of a small XML member, in document order. Raises SourceError."""
        collector = Collector()
        parse(self, name, collector)
        return collector.elements


def parse(archive: Archive, name: str, handler: Handler) -> None:
    """Read an XML member from start to end in constant memory. Raises SourceError.

    Documents that declare entities are refused; external entities are never loaded.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise archive.corrupt(f"part {name!r} declares entities")

    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = lambda tag, attributes: handler.start(local(tag), {local(key): value for key, value in attributes.items()})
    parser.EndElementHandler = lambda tag: handler.end(local(tag))
    parser.CharacterDataHandler = handler.characters
    try:
        for piece in archive.pieces(name):
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise archive.corrupt(f"part {name!r}: {error}") from error
    except (LookupError, ValueError) as error:  # an encoding that Python does not know
        raise archive.corrupt(f"part {name!r}: {error}") from error


def local(name: str) -> str:
    return name.rpartition(" ")[2]


def beside(part: str, reference: str) -> str:
    """The name of the member that ``reference`` in ``part`` points to. "/a/b" is relative to the archive's root."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(part), reference)).lstrip("/")
