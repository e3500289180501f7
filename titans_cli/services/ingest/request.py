"""The settings of an ingest, and the progress that it reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ingest import Options, Source
from titans_cli.settings import pdf_passwords

__all__ = ["Progress", "Request", "Unheard"]


def default_options() -> Options:
    return Options(passwords=pdf_passwords())


@dataclass(frozen=True)
class Request:
    """The settings of an ingest."""

    options: Options = field(default_factory=default_options)  # how files are read
    include: Sequence[str] = ()  # of folders, only files that fit one of these patterns
    exclude: Sequence[str] = ()  # and none that fit one of these
    prune_missing: bool = False  # take out documents below the given paths whose files are not there any more
    workers: int | None = None  # processes that extract text, one when not given; with a cluster, its actors, one a core
    cluster: str | None = None  # address of a Ray cluster; "local" for one on this machine
    budget: int | None = None  # bytes that the memory may take, from now on; 0 for any number, None for as before
    given: Sequence[Source] = ()  # texts that are no files, beside the paths


class Progress(Protocol):
    """What an ingest reports while it runs."""

    def begin(self, files: int, size: int) -> None: ...
    def file(self, name: str, pages: int | None, size: int) -> None: ...
    def page(self, number: int | None, tokens: int, share: float) -> None: ...
    def done(self, size: int) -> None: ...


class Unheard:
    """Progress that is not shown."""

    def begin(self, files: int, size: int) -> None: ...
    def file(self, name: str, pages: int | None, size: int) -> None: ...
    def page(self, number: int | None, tokens: int, share: float) -> None: ...
    def done(self, size: int) -> None: ...
