"""Plain text: .txt, .md, .rst."""

from pathlib import Path

from ingest.errors import SourceError

__all__ = ["clean", "decode"]

BYTE_ORDER_MARKS = {b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def decode(path: Path, data: bytes) -> str:
    """Text of a file: by its byte order mark, else UTF-8, else Windows-1252 when that gives no control characters."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                break
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if b"\0" in data:
        raise SourceError(path, "is not text (it holds NUL bytes). Leave it out or convert it to UTF-8 text.")
    return data.decode("cp1252", errors="replace")


def clean(text: str) -> str:
    """Text as it is memorized: line ends as \\n, without NULs, form feeds and lone surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").replace("\0", "")
    return text.encode("utf-8", errors="replace").decode("utf-8")
