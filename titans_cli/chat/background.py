"""What ``titans chat`` knows of its memory while the user types: models load meanwhile."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from titans_cli.errors import NoStoreError
from titans_cli.session import SharedMemory
from titans_cli.store import Store

if TYPE_CHECKING:
    from titans_cli.models import Models
    from titans_cli.services.ask.answer import Assistant

__all__ = ["Background", "Facts"]


@dataclass(frozen=True)
class Facts:
    """What is memorized: the snapshot's name, and how much it holds."""

    name: str
    documents: int
    tokens: int


class Background:
    """The memory at ``home``; ``start`` begins to load torch and the models, and whoever needs them waits for that.

    ``changed`` is called, in another thread, when ``device`` has another value.
    """

    def __init__(self, home: Path, changed: Callable[[], None] = lambda: None):
        self.home = home
        self.memory = SharedMemory(home)
        self.changed = changed
        self.device = "waking up"
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.load, name="models", daemon=True)
        self.finished = threading.Event()  # Thread.join would take a thread for ended when Ctrl-C interrupts it

    def start(self) -> None:
        self.thread.start()

    def load(self) -> None:
        try:
            self.memory.models.load()
            self.device = self.memory.models.device.type
            self.changed()
        except BaseException as error:  # for the thread that waits
            self.error = error
        finally:
            self.finished.set()

    def loaded(self) -> SharedMemory:
        """Waits for the models; raises what kept them from loading."""
        while not self.finished.wait(0.1):  # in pieces: Ctrl-C is heeded between them
            pass
        if self.error is not None:
            raise self.error
        return self.memory

    def models(self) -> "Models":
        return self.loaded().models

    def assistant(self) -> "Assistant":
        """Of what is memorized now. Raises TitansError."""
        return self.loaded().live.assistant()

    def facts(self) -> Facts | None:
        """None when nothing is memorized yet. Raises TitansError for a store that cannot be opened."""
        try:
            with Store.open(self.home) as store:
                head = store.require_head()
                documents = store.documents(head)
                return Facts(head.name, len(documents), sum(document.tokens for document in documents))
        except NoStoreError:
            return None

    def documents(self) -> list[str]:
        """Names of all documents. Raises TitansError."""
        with Store.open(self.home) as store:
            return [document.name for document in store.documents(store.require_head())]
