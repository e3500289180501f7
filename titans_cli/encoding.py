"""Output where the locale is not UTF-8: typographic characters become plain ones, what cannot be shown becomes a question mark."""

import codecs
import sys

__all__ = ["prepare_output"]

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
    """Let stdout and stderr never fail for want of a character."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plainer")
