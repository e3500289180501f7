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
    """A codec's error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end


codecs.register_error("plainer", plainer)


def prepare_output() -> None:
    """Let stdout and stderr never fail for want of a character: typographic ones become plain, others question marks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plainer")


def showable(text: str) -> str:
    """``text`` with what stdout cannot show replaced in the same way, for who writes there by other means."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "plainer").decode(encoding)


def well_formed(text: str) -> str:
    """``text`` with what the locale could not read taken for UTF-8, and without surrogates, which no tokenizer takes."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
