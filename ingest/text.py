"""Decodes plain text files (.txt, .md, .rst) and guesses their encoding."""

import codecs
from pathlib import Path

from charset_normalizer import from_bytes

from ingest.errors import SourceError

__all__ = ["clean", "decode"]

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""In the order in which they are tried, because one is the beginning of another."""
LOOKED_AT = 2**20
"""Bytes from which an encoding is guessed."""
TELLING = 24
"""Bytes beyond ASCII from which statistics tell more than that Windows-1252 is the most frequent."""
UNUSED = frozenset({*range(9), 11, *range(14, 32), 127, 0x81, 0x8D, 0x8F, 0x90, 0x9D})
"""Bytes that do not occur in Windows-1252."""
REPLACED = {ord(c): plain for c, plain in zip("ﬀﬁﬂﬃﬄﬅﬆ", ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True)} | {
    ord("\N{NO-BREAK SPACE}"): " ",
    ord("\N{NARROW NO-BREAK SPACE}"): " ",
    ord("\f"): "\n",
    **dict.fromkeys(map(ord, "\0\N{SOFT HYPHEN}\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}\N{WORD JOINER}")),
}


def decode(path: Path, data: bytes, encoding: str | None = None) -> tuple[str, str]:
    """The text of a file and the name of its encoding: the given one, else by byte order mark, else UTF-8, else guessed.

    Raises SourceError for a file that is not text, or not in the given encoding.
    """
    if encoding is not None:
        try:
            return data.decode(encoding), encoding
        except (UnicodeDecodeError, LookupError) as error:
            raise SourceError(path, f"cannot be read as {encoding} ({error}). Choose another --encoding.", "not text") from error
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(marked), marked.removesuffix("-sig")
    except UnicodeDecodeError:
        pass
    guess = guessed(data[:LOOKED_AT])
    if guess is None:
        raise SourceError(path, "is not text in a known encoding. Exclude it, or name its encoding with --encoding.", "not text")
    return data.decode(guess, errors="replace"), guess


def guessed(data: bytes) -> str | None:
    """A likely encoding, or None for data that is not text."""
    if b"\0" in data:
        return None
    if sum(byte > 127 for byte in data) < TELLING and not any(byte in UNUSED for byte in data):
        return "cp1252"
    best = from_bytes(data).best()
    return None if best is None else best.encoding


def clean(text: str) -> str:
    """The text as it is memorized: line ends as \\n, ligatures as letters, without NULs, soft hyphens and lone surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\N{SOFT HYPHEN}\n", "").translate(REPLACED)
    return text.encode("utf-8", errors="replace").decode("utf-8")
