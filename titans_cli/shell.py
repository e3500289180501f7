"""Commands in messages, quoted so that they can be pasted into a shell."""

import shlex
from collections.abc import Iterable

__all__ = ["ingest_again"]


def ingest_again(paths: Iterable[str]) -> str:
    """The command that memorizes files again. Names are quoted; names with control characters are left out."""
    return f"titans ingest {shlex.join(path for path in dict.fromkeys(paths) if path.isprintable()) or 'FOLDER'}"
