"""One memory for many callers of a server: loaded at the first use, one caller at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from titans_cli.errors import DamagedError, TitansError, explain
from titans_cli.store import Store

if TYPE_CHECKING:
    from titans_cli.models import Models
    from titans_cli.services.ask.answer import Assistant

__all__ = ["Live", "SharedMemory"]

Result = TypeVar("Result")


class Live:
    """An assistant that follows its store: opened when it is first needed, and again when the memory has changed.

    Safe to ask from several threads.
    """

    def __init__(self, home: Path, models: Models):
        self.home = home
        self.models = models
        self.current: Assistant | None = None
        self.lock = threading.Lock()

    def assistant(self) -> Assistant:
        """The assistant of what is memorized now. Raises NoStoreError, TooNewError or DamagedError."""
        from titans_cli.services.ask.answer import Assistant

        with self.lock:
            with Store.open(self.home) as store:
                digest = store.require_head(self.models.fingerprint).digest
            if self.current is None or self.current.snapshot.digest != digest:
                self.current = Assistant(self.home, self.models)
            return self.current


class SharedMemory:
    """The assistant of a store. One caller at a time, from any thread; the others wait.

    Making one is quick: torch, the models and the index are loaded at the first use, or by ``warm``.
    """

    def __init__(self, home: Path):
        self.home = home
        self.lock = threading.RLock()

    @cached_property
    def models(self) -> Models:
        from titans_cli.models import Models

        return Models()

    @cached_property
    def live(self) -> Live:

        return Live(self.home, self.models)

    def warm(self) -> None:
        """Load what answering needs. What keeps it from answering is told when a question comes."""
        with suppress(TitansError):
            self.run(lambda assistant: assistant.models.load())

    def run(self, work: Callable[[Assistant], Result]) -> Result:
        """What ``work`` makes of an assistant for the present head; again, where that changed meanwhile and took memories away.

        Raises TitansError.
        """
        with self.lock, explained():
            assistant = self.live.assistant()
            try:
                return work(assistant)
            except DamagedError:
                if self.live.assistant() is assistant:
                    raise
                return work(self.live.assistant())

    def write(self, work: Callable[[Path, Models], Result]) -> Result:
        """What ``work`` makes of the store, with no question answered meanwhile. Raises TitansError."""
        with self.lock, explained():
            return work(self.home, self.models)


@contextmanager
def explained() -> Iterator[None]:
    """Makes errors of the disk, the index and the models the program's own."""
    try:
        yield
    except TitansError:
        raise
    except Exception as error:
        from model.errors import ModelError

        told = TitansError(str(error)) if isinstance(error, ModelError) else explain(error)
        if told is None:
            raise
        raise told from error
