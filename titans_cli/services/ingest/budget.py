"""The size budget of a memory: when it is exceeded, the least useful documents are forgotten first.

The value of a byte of a document is its surprise (rows of memory weights per token) times one plus the number of answers that it
gave. The value halves each time that as much was memorized after it as the whole memory holds.
"""

from collections.abc import Sequence
from pathlib import Path

from titans_cli.errors import UsageError
from titans_cli.store import BUDGET, Store, StoredDocument, garbage, is_automatic, shard_sizes

__all__ = ["agree_on_budget", "keep_within", "make_room", "parse_size", "worth"]

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def parse_size(text: str) -> int:
    """Bytes of "500MB", "2 GiB", "1.5G"; 0 for "none". Raises UsageError."""
    number = text.strip().rstrip("BbIiKkMmGgTt")
    unit = text.strip()[len(number) :].upper()
    if text.strip().lower() == "none":
        return 0
    try:
        size = int(float(number) * UNITS[unit])
        if size > 0:
            return size
    except (ValueError, KeyError, OverflowError):
        pass
    raise UsageError(f"{text!r} is not a size. Use a size like 500MB or 2GB, or none.")


def agree_on_budget(store: Store, wanted: int | None) -> int:
    """The size limit in bytes from now on, 0 for none. ``wanted`` None keeps the current one.

    After an increase, documents that were forgotten to stay within the budget may be memorized again.
    """
    before = int(store.bookkeeping.setting(BUDGET) or 0)
    budget = before if wanted is None else wanted
    if budget != before:
        store.bookkeeping.set_setting(BUDGET, str(budget))
    if budget == 0 or budget > before > 0:
        store.bookkeeping.remove_failures(failure.path for failure in store.bookkeeping.failures() if failure.kind == BUDGET)
    return budget


def worth(document: StoredDocument, after: float, answers: int, home: Path) -> float:
    """The value of a byte of a document; ``after`` is the share of the memory that was memorized after it."""
    rows = shard_sizes(home, document.shard).rows
    return rows / max(1, document.tokens) * (1 + answers) * 0.5**after


def keep_within(budget: int, store: Store, documents: Sequence[StoredDocument]) -> tuple[list[StoredDocument], list[StoredDocument]]:
    """Split ``documents`` into those to keep and those to forget, so that the shards take at most ``budget`` bytes."""
    sizes = store.shards()
    holders: dict[str, int] = {}
    for document in documents:
        holders[document.shard] = holders.get(document.shard, 0) + 1
    taken = sum(sizes[shard] for shard in holders)
    if not budget or taken <= budget:
        return list(documents), []
    answers, total, later = store.bookkeeping.answers(), sum(d.tokens for d in documents), 0
    worths: list[tuple[float, StoredDocument]] = []
    for document in sorted(documents, key=lambda d: d.id, reverse=True):
        worths.append((worth(document, later / max(1, total), answers.get(document.path, 0), store.home), document))
        later += document.tokens
    forgotten = []
    for _, document in sorted(worths, key=lambda pair: (pair[0], pair[1].path)):
        if taken <= budget:
            break
        forgotten.append(document)
        holders[document.shard] -= 1
        if not holders[document.shard]:
            taken -= sizes[document.shard]
    gone = {document.id for document in forgotten}
    return [d for d in documents if d.id not in gone], forgotten


def make_room(store: Store, documents: Sequence[StoredDocument], budget: int) -> None:
    """Delete what was forgotten to stay within the budget, unless a snapshot named by the user holds it."""
    with store.transaction():
        store.take_out(documents, [s for s in store.snapshots() if is_automatic(s.name)])
        for document in documents:
            reason = f"was forgotten to keep within {budget / 1e6:,.1f} MB. Allow more with --budget."
            store.bookkeeping.add_failure(document.path, reason, BUDGET, document.source_sha256)
    garbage.collect(store)
