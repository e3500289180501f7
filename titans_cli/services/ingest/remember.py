"""Memorize what the user tells, like a document, under the date."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ingest import Source
from titans_cli.encoding import well_formed
from titans_cli.errors import NoStoreError, TitansError, UsageError
from titans_cli.models import Models
from titans_cli.services.ingest.encode import Unheard
from titans_cli.services.ingest.run import Request, ingest
from titans_cli.store import Snapshot, Store, StoredDocument

__all__ = ["Remembered", "remember"]


@dataclass(frozen=True)
class Remembered:
    """What was told: a document called by the date, such as ``told 2026-11-25 08:40:12``; forgetting it is forgetting a document."""

    document: StoredDocument
    snapshot: Snapshot


def remember(home: Path, models: Models, text: str) -> Remembered:
    """Memorize ``text`` into the store at ``home``, which is made if need be. Raises UsageError where there is none."""
    if not text.strip():
        raise UsageError("There is nothing to remember: the text is empty.")
    name = free_name(home, f"told {datetime.now():%Y-%m-%d %H:%M:%S}")
    source = Source(Path(name), name, well_formed(text.strip()).encode())
    result = ingest(home, models, [], Unheard(), Request(given=(source,)))
    if result.did.failed or result.snapshot is None:
        reasons = "; ".join(error.reason for error in result.did.failed)
        raise TitansError(f"It could not be memorized: {reasons or 'interrupted'}")
    with Store.open(home) as store:
        found = [d for d in store.documents(store.current(result.snapshot)) if d.path == name]
    if not found:
        raise TitansError("There is no room for it in the memory. Allow more with: titans ingest --budget")
    return Remembered(found[0], result.snapshot)


def free_name(home: Path, name: str) -> str:
    """``name``, with a number where it is taken already."""
    try:
        with Store.open(home) as store:
            head = store.head()
            taken = {d.name for d in store.documents(head)} if head else set()
    except NoStoreError:
        return name
    numbered = (name if n == 1 else f"{name} ({n})" for n in range(1, len(taken) + 2))
    return next(free for free in numbered if free not in taken)
