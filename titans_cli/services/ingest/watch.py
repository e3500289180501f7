"""Watches folders and keeps the memory up to date with them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

from watchfiles import DefaultFilter
from watchfiles import watch as changes

from titans_cli.errors import LockedError, UsageError
from titans_cli.models import Models
from titans_cli.services.ingest.request import Request, Unheard
from titans_cli.services.ingest.result import IngestResult
from titans_cli.services.ingest.run import ingest

__all__ = ["watch"]

QUIET = 1_000
"""Milliseconds without a change after which files count as completely written."""


def watch(
    home: Path, models: Models, folders: Sequence[Path], include: Sequence[str] = (), exclude: Sequence[str] = (), stop: Event | None = None
) -> Iterator[IngestResult]:
    """Memorize ``folders``, and again whenever their files change, until Ctrl-C or ``stop``; yields what each run did.

    An ingest that finds the store locked, or nothing at all, is repeated with the next change. Documents are forgotten only while every
    folder has files: an empty or missing one may be a drive that was unmounted.
    """

    def run() -> Iterator[IngestResult]:
        there = [folder for folder in folders if holds_something(folder)]
        try:
            yield ingest(home, models, there, Unheard(), Request(include=include, exclude=exclude, prune_missing=there == list(folders)))
        except (LockedError, UsageError):
            return

    yield from run()
    inside = home.absolute()
    for changed in changes(*folders, watch_filter=DefaultFilter(), debounce=60_000, step=QUIET, stop_event=stop, raise_interrupt=False):
        if not all(Path(path).is_relative_to(inside) for _, path in changed):
            yield from run()


def holds_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False
