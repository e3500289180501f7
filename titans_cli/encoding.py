"""Makes input and output work in locales that are not UTF-8."""

import codecs
import sys

__all__ = ["prepare_output", "showable", "well_formed"]

PLAIN = {
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "…": "...",
    "–": "-",
    "—": "-",
    "·": "-",
    "•": "*",
    "→": "->",
    "▸": ">",
    "█": "#",
    "░": ".",
    "■": "#",
    "\u00a0": " ",
}


def plainer(error: UnicodeError) -> tuple[str, int]:
    """An error handler for codecs: replaces characters by plainer ones."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end


codecs.register_error("plainer", plainer)


def prepare_output() -> None:
    """Make stdout and stderr never fail on a character: typographic characters become plain, others question marks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plainer")


def showable(text: str) -> str:
    """``text`` with characters that stdout cannot show replaced in the same way, for output by other means."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "plainer").decode(encoding)


def well_formed(text: str) -> str:
    """``text`` with undecodable bytes read as UTF-8, and without surrogates, which no tokenizer accepts."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
