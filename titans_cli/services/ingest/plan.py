"""Plans an ingest: which files are new, changed, moved, copies of others, unchanged or gone."""

import errno
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest import Source, SourceError, digest_of_file, find_sources
from titans_cli.errors import NoStoreError, UsageError
from titans_cli.store import BUDGET, Store, StoredDocument

__all__ = ["Plan", "Selection", "is_missing", "make_plan", "plan_ingest", "retried_paths"]


@dataclass(frozen=True)
class Selection:
    """The files to memorize."""

    paths: tuple[Path, ...] = ()  # that were given
    sources: tuple[Source, ...] = ()  # found there, or given beside
    problems: tuple[SourceError, ...] = ()  # paths that could not be looked at


@dataclass(frozen=True)
class Plan:
    """What to do with each source; every source is in one of the lists."""

    new: tuple[Source, ...] = ()
    changed: tuple[Source, ...] = ()  # the path is known with other content
    moved: tuple[tuple[StoredDocument, Source], ...] = ()  # the content is known from a file that is not there any more
    copies: tuple[tuple[Source, str], ...] = ()  # the content, a SHA-256, is known, or is that of another new file
    unchanged: tuple[StoredDocument, ...] = ()
    gone: tuple[StoredDocument, ...] = ()  # memorized, below a folder that was given, and not there any more
    failed: tuple[SourceError, ...] = ()
    left_out: tuple[Source, ...] = ()  # was dropped to stay within the budget, and there is no more room since

    @property
    def tried(self) -> set[str]:
        """Paths of all files that are read."""
        sources = [*self.new, *self.changed, *(s for _, s in self.moved), *(s for s, _ in self.copies), *self.left_out]
        paths = [source.path for source in sources] + [error.path for error in self.failed]
        return {str(path) for path in paths} | {document.path for document in self.unchanged}


def make_plan(store: Store, documents: Sequence[StoredDocument], selection: Selection, fingerprint: str) -> Plan:
    """Compare the sources of ``selection`` with the ``documents`` of the head by the SHA-256 of their bytes."""
    sources = selection.sources
    here = {str(source.path) for source in sources}
    known = {d.path: d for d in documents}
    lost: dict[tuple[str, str], list[StoredDocument]] = defaultdict(list)
    for d in documents:
        if d.path not in here and is_missing(d.path):
            lost[d.source_sha256, Path(d.path).suffix].append(d)
    new: list[Source] = []
    changed: list[Source] = []
    moved, copies, unchanged, left_out, failed = [], [], [], [], list(selection.problems)
    forgotten = {failure.path: failure.source_sha256 for failure in store.bookkeeping.failures() if failure.kind == BUDGET}
    seen: set[tuple[str, str]] = set()
    for source in sources:
        try:
            content = digest_of_file(source), source.path.suffix
        except SourceError as error:
            failed.append(error)
            continue
        before = known.get(str(source.path))
        finished = store.find_document(str(source.path), source.name, content[0], fingerprint)
        if forgotten.get(str(source.path)) == content[0]:
            left_out.append(source)
        elif finished is not None:  # by an ingest that was killed, when the head does not hold it
            unchanged.append(finished)
        elif before is not None and before.source_sha256 == content[0]:
            moved.append((before, source))
        elif lost[content]:
            moved.append((lost[content].pop(0), source))
        elif content in seen or store.find_content(*content, fingerprint) is not None:
            copies.append((source, content[0]))
        else:
            seen.add(content)
            (new if before is None else changed).append(source)
    given = [path.expanduser().absolute() for path in selection.paths]
    gone = [d for left in lost.values() for d in left if any(Path(d.path).is_relative_to(path) for path in given)]
    gone.sort(key=lambda d: d.name)
    return Plan(tuple(new), tuple(changed), tuple(moved), tuple(copies), tuple(unchanged), tuple(gone), tuple(failed), tuple(left_out))


def is_missing(path: str) -> bool:
    """Whether the file certainly does not exist. A file that cannot be accessed, such as in a closed folder, may exist."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
    except ValueError:  # no path at all, such as one with a null character
        return True
    return False


def plan_ingest(home: Path, fingerprint: str, paths: Sequence[Path], include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Plan:
    """The plan of an ingest; changes nothing. Raises TitansError for errors of the store."""
    sources, problems = find_sources(paths, include, exclude)
    selection = Selection(tuple(paths), tuple(sources), tuple(problems))
    try:
        with Store.open(home) as store:
            if store.head() is not None:
                store.require_head(fingerprint)
            return make_plan(store, store.head_documents(), selection, fingerprint)
    except NoStoreError:
        return Plan(new=tuple(sources), failed=tuple(problems))


def retried_paths(home: Path) -> list[Path]:
    """Files that failed before and still exist. Raises NoStoreError, and UsageError if there are none."""
    with Store.open(home) as store:
        failures = store.bookkeeping.failures()
    paths = [Path(failure.path) for failure in failures if failure.kind != BUDGET and os.path.isfile(failure.path)]
    if not paths:
        raise UsageError("No failed files left to retry.")
    return paths
