"""One store with its models, shared by commands, the chat and the servers. Loads torch on first use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from titans_cli.errors import DamagedError, TitansError, translated
from titans_cli.models import Models
from titans_cli.store import Store

if TYPE_CHECKING:
    from titans_cli.services.ask.answer import Assistant

__all__ = ["Session"]

Result = TypeVar("Result")


class Session:
    """Serves one caller at a time, from any thread. All errors are translated, see ``errors.translate``."""

    def __init__(self, home: Path, device: str | None = None):
        self.home = home
        self.lock = threading.RLock()
        self.models = Models(device=device)  # weights are loaded when first needed, or by ``warm``
        self._assistant: Assistant | None = None

    def warm(self) -> None:
        """Load what answering needs. Errors are raised later, with the first question."""
        with suppress(TitansError):
            self.read(lambda assistant: assistant.models.load())

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the session, so that no other caller reads or writes through it. Raises TitansError."""
        with self.lock, translated():
            yield

    def read(self, work: Callable[[Assistant], Result]) -> Result:
        """The result of ``work`` on an assistant for the current head. Raises TitansError.

        The work is repeated if the head changed in between and memories were lost.
        """
        with self.exclusive():
            assistant = self.assistant()
            try:
                return work(assistant)
            except DamagedError:
                changed = self.assistant()
                if changed is assistant:
                    raise
                return work(changed)

    def assistant(self) -> Assistant:
        """The assistant for the current head; the same one until the head changes. Raises NoStoreError, TooNewError or DamagedError."""
        from titans_cli.services.ask.answer import Assistant

        with self.exclusive():
            with Store.open(self.home) as store:
                digest = store.require_head(self.models.fingerprint).digest
            if self._assistant is None or self._assistant.digest != digest:
                self._assistant = Assistant(self.home, self.models)
            return self._assistant
