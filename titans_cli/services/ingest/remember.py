"""Memorizes a short note as a document named after the current date and time."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ingest import Source, SourceError
from titans_cli.encoding import well_formed
from titans_cli.errors import TitansError, UsageError
from titans_cli.models import Models
from titans_cli.services.ingest.plan import Selection
from titans_cli.services.ingest.request import Request, Unheard
from titans_cli.services.ingest.run import ingest_into, open_to_write
from titans_cli.store import Snapshot, StoredDocument

__all__ = ["Remembered", "remember"]


@dataclass(frozen=True)
class Remembered:
    """A saved note: a document named after the time, such as ``told 2026-11-25 08:40:12``. It is forgotten like any document."""

    document: StoredDocument
    snapshot: Snapshot


def remember(home: Path, models: Models, text: str) -> Remembered:
    """Memorize ``text`` into the store at ``home``, which is created if needed. Raises UsageError for an empty text."""
    if not text.strip():
        raise UsageError("The note is empty. Give some text to remember.")
    with open_to_write(home) as store:
        name = free_name({d.name for d in store.head_documents()}, f"told {datetime.now():%Y-%m-%d %H:%M:%S}")
        source = Source(Path(name), name, well_formed(text.strip()).encode())
        result = ingest_into(store, models, Selection(sources=(source,)), Unheard(), Request(), time.monotonic())
        found = [d for d in store.head_documents() if d.path == name]
    if result.did.failed or result.snapshot is None:
        raise TitansError(f"The note could not be memorized: {reasons(result.did.failed) or 'interrupted'}")
    if not found:
        raise TitansError("The note does not fit into the budget. Raise it: titans ingest FOLDER --budget SIZE")
    return Remembered(found[0], result.snapshot)


def reasons(errors: Iterable[SourceError]) -> str:
    return "; ".join(error.reason for error in errors)


def free_name(taken: set[str], name: str) -> str:
    """``name``, with a number if it is already taken."""
    numbered = (name if n == 1 else f"{name} ({n})" for n in range(1, len(taken) + 2))
    return next(free for free in numbered if free not in taken)
