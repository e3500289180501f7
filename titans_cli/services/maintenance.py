"""Maintenance of a store: forget documents, prune, find problems and repair them."""

import difflib
import random
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from titans_cli.errors import DamagedError, TitansError, UsageError
from titans_cli.models import Models
from titans_cli.services.history import forget_turns
from titans_cli.shell import ingest_again
from titans_cli.store import BUDGET, Snapshot, Store, StoredDocument, digest_of, garbage, is_automatic, open_index, read_shard, shard_path

__all__ = [
    "Forgotten",
    "Problem",
    "Pruned",
    "check",
    "diagnose",
    "find_documents",
    "forget",
    "forget_everywhere",
    "mend",
    "prune",
    "sample_recitations",
    "would_forget",
]

KEEP = 10
"""Newest automatic snapshots that pruning keeps."""


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten, and which snapshots still hold it."""

    documents: tuple[StoredDocument, ...]
    still_in: tuple[Snapshot, ...]
    freed: int  # bytes
    dry_run: bool = False  # nothing was changed: this is what would be forgotten


def find_documents(documents: Sequence[StoredDocument], wanted: Iterable[str]) -> list[StoredDocument]:
    """The documents that ``wanted`` names. Raises UsageError.

    A document is named by its name, its path, at least six first digits of its content's SHA-256, a name or path followed by @ and such
    digits, or a part of a name that matches only one.
    """
    found = []
    for text in wanted:
        fitting = called(documents, text)
        if len({(d.path, d.source_sha256) for d in fitting}) != 1:
            names = [d.name for d in fitting] or difflib.get_close_matches(text, [d.name for d in documents], 3, 0.4)
            if len(set(names)) < len(names):  # after a merge, several files may have one name
                names = [f"{d.name}@{d.source_sha256[:8]}" for d in fitting or documents if d.name in names]
            listed = ", ".join(map(repr, names[:5]))
            if fitting:
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                raise UsageError(f"{text!r} matches {len(names)} documents: {listed}{more}. Name one of them.")
            raise UsageError(f"No document matches {text!r}. " + (f"Did you mean {listed}?" if names else "List all: titans status"))
        found += fitting
    return list(dict.fromkeys(found))


def called(documents: Sequence[StoredDocument], text: str) -> list[StoredDocument]:
    """All documents that ``text`` may name, by the first kind of name that matches any."""
    name, _, digits = text.rpartition("@")
    ways = [[d for d in documents if text in (d.name, d.path)]]
    if re.fullmatch("[0-9a-f]{6,64}", digits):
        ways.append([d for d in documents if name in ("", d.name, d.path) and d.source_sha256.startswith(digits)])
    ways.append([d for d in documents if text in d.name])
    return next(filter(None, ways), [])


def forget(home: Path, wanted: Sequence[str], everywhere: bool = False) -> Forgotten:
    """Remove documents from the current state, and keep the state before as a snapshot; with ``everywhere``, remove them from all
    snapshots and from the disk.

    A document is one file: another file with the same content keeps its memories. Raises UsageError for unknown documents.
    """
    with Store.open(home) as store, store.locked():
        documents = documents_to_forget(store, wanted, everywhere)
        if everywhere:
            forget_turns(home, documents)  # first: what is killed in between is done again
        else:
            store.keep_head("forget")
        still_in, freed = garbage.forget(store, documents, everywhere)
        open_index(store, store.require_head())
    return Forgotten(tuple(documents), tuple(still_in), freed)


def documents_to_forget(store: Store, wanted: Sequence[str], everywhere: bool) -> list[StoredDocument]:
    """The documents of the head that are wanted; with ``everywhere``, else those of other snapshots. Raises UsageError."""
    try:
        return find_documents(store.documents(store.require_head()), wanted)
    except UsageError:
        if not everywhere:
            raise
        held = {document.id: document for snapshot in store.snapshots() for document in store.documents(snapshot)}
        paths = {document.path for document in find_documents(list({d.path: d for d in held.values()}.values()), wanted)}
        return [document for document in held.values() if document.path in paths]


def would_forget(home: Path, wanted: Sequence[str], everywhere: bool = False) -> Forgotten:
    """What ``forget`` would do, and which snapshots would still hold the documents; changes nothing."""
    with Store.open(home) as store:
        documents = documents_to_forget(store, wanted, everywhere)
        going = {document.id for document in documents}
        needed = {d.shard for s in store.snapshots() for d in store.documents(s) if not everywhere or d.id not in going}
        freed = sum(size for digest, size in store.shards().items() if digest not in needed)
        still_in = () if everywhere else tuple(store.holders(documents))
    return Forgotten(tuple(documents), still_in, freed, dry_run=True)


def forget_everywhere(home: Path, forgotten: Forgotten) -> Forgotten:
    """Remove forgotten documents from all other snapshots too, and from the disk."""
    with Store.open(home) as store, store.locked():
        forget_turns(home, forgotten.documents)
        still_in, freed = garbage.forget(store, forgotten.documents, everywhere=True)
    return Forgotten(forgotten.documents, tuple(still_in), forgotten.freed + freed)


@dataclass(frozen=True)
class Pruned:
    """What pruning deleted, or would delete."""

    snapshots: tuple[str, ...]
    files: int  # that no document needs
    freed: int  # bytes


def prune(home: Path, keep: int = KEEP, dry_run: bool = False) -> Pruned:
    """Delete automatic snapshots except the newest ``keep`` and the head, files that a killed run left, and old indexes."""
    with Store.open(home) as store, store.locked(repair=False):  # it does all of that, and counts it
        head = store.require_head()
        automatic = [s for s in store.snapshots() if is_automatic(s.name) and s.id != head.id]
        going = automatic[: max(0, len(automatic) - keep)]
        needed = {d.shard for s in store.snapshots() if s not in going for d in store.documents(s)}
        freed = sum(size for shard, size in store.shards().items() if shard not in needed)
        orphans = garbage.orphans(store)
        old = [folder for folder in (home / "cache").glob("*") if folder.name != head.digest]
        files = [*orphans, *(path for folder in old for path in folder.rglob("*") if path.is_file())]
        freed += sum(path.stat().st_size for path in files)
        if not dry_run:
            with store.transaction():
                for snapshot in going:
                    store.remove_snapshot(snapshot)
            garbage.collect(store)
            for path in orphans:
                path.unlink(missing_ok=True)
            for folder in old:
                shutil.rmtree(folder, ignore_errors=True)
    return Pruned(tuple(s.name for s in going), len(files), freed)


@dataclass(frozen=True)
class Problem:
    """A problem, and the command that repairs it."""

    what: str
    remedy: str
    harmless: bool = False


def check(home: Path, read_data: bool = False) -> list[Problem]:
    """The problems of the store: of its catalog, and missing shards. ``read_data`` also reads every byte of the shards.

    Raises NoStoreError, and DamagedError if the database cannot even be opened.
    """
    with Store.open(home) as store:
        problems = [Problem(f"The database is damaged: {row}.", "titans import BACKUP --home NEW") for row in store.broken_rows()]
        for snapshot in store.snapshots():
            if digest_of(store.documents(snapshot), snapshot.fingerprint) != snapshot.digest:
                problems.append(
                    Problem(
                        f"The documents of snapshot {snapshot.name} do not match its digest.", f"titans snapshot delete {snapshot.name}"
                    )
                )
        owners: dict[str, list[str]] = {}
        for snapshot in store.snapshots():
            for document in store.documents(snapshot):
                owners.setdefault(document.shard, []).append(document.path)
        for digest, size in store.shards().items():
            path = shard_path(home, digest)
            wrong = None
            if not path.is_file():
                wrong = f"The shard {path} is missing."
            elif path.stat().st_size != size:
                wrong = f"The shard {path} has {path.stat().st_size:,} bytes instead of {size:,}."
            elif read_data:
                try:
                    read_shard(home, digest)
                except DamagedError as error:
                    wrong = str(error)
            if wrong:
                problems.append(Problem(wrong, f"titans doctor --fix; {ingest_again(owners.get(digest, []))}"))
        orphans = garbage.orphans(store)
        if orphans:
            problems.append(
                Problem(f"{len(orphans)} {'file was' if len(orphans) == 1 else 'files were'} left by killed runs.", "titans prune", True)
            )
    return problems


def sample_recitations(home: Path, models: Models, count: int) -> tuple[int, int]:
    """Recite ``count`` random memories of the head; returns their number, and how many were not word for word."""
    from titans_cli.services.recitation import recite_many  # loads torch, which the rest of this module does without

    with Store.open(home) as store:
        index = open_index(store, store.require_head(models.fingerprint))
    chosen = sorted(random.sample(range(index.memories), min(count, index.memories)))
    return len(chosen), sum(not recited.verbatim for recited in recite_many(models, index, chosen))


def diagnose(home: Path, fingerprint: str) -> list[Problem]:
    """The problems that ``check`` finds with every byte read, and other reasons why the memory cannot answer."""
    problems = check(home, read_data=True)
    with Store.open(home) as store:
        head = store.head()
        if head is None:
            problems.append(Problem("Nothing is memorized.", "titans ingest FOLDER"))
        elif head.fingerprint != fingerprint:
            remedy = "titans ingest FOLDER --home NEW, or install the titans that wrote them"
            problems.append(Problem("The memories were written with other model weights.", remedy))
        failures = [failure for failure in store.bookkeeping.failures() if failure.kind != BUDGET]
    if failures:
        problems.append(
            Problem(
                f"{len(failures)} {'file' if len(failures) == 1 else 'files'} could not be memorized. See: titans status",
                "titans ingest --retry-failed",
                True,
            )
        )
    return problems


def mend(home: Path) -> list[str]:
    """Make safe repairs: remove documents whose shards are missing or damaged, so that they can be memorized again.

    Returns their paths. They are removed from all snapshots.
    """
    with Store.open(home) as store, store.locked():
        bad = set()
        for digest in store.shards():
            try:
                read_shard(home, digest)
            except TitansError:
                bad.add(digest)
                shard_path(home, digest).unlink(missing_ok=True)
        lost = {d for s in store.snapshots() for d in store.documents(s) if d.shard in bad}
        if lost:
            garbage.forget(store, sorted(lost, key=lambda d: d.path), everywhere=True)
        shutil.rmtree(home / "cache", ignore_errors=True)
    return sorted({d.path for d in lost})
