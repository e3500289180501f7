"""Loads the models of ``titans chat`` in the background, and counts what is memorized."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from titans_cli.errors import NoStoreError
from titans_cli.interruption import native_work
from titans_cli.session import Session
from titans_cli.store import Store

__all__ = ["Background", "Facts"]


@dataclass(frozen=True)
class Facts:
    """The current snapshot's name, and how much it holds."""

    name: str
    documents: int
    tokens: int


class Background:
    """Loads torch and the models of ``session`` in a thread; ``wait`` waits for it.

    ``changed`` is called in that thread when ``device`` changes.
    """

    def __init__(self, session: Session, changed: Callable[[], None] = lambda: None):
        self.session = session
        self.changed = changed
        self.device = "loading"
        self.error: BaseException | None = None
        self.finished = threading.Event()  # Thread.join would take a thread for ended when Ctrl-C interrupts it

    def start(self) -> None:
        threading.Thread(target=self.load, daemon=True).start()

    def load(self) -> None:
        try:
            with native_work():
                self.session.models.load()
            self.device = self.session.models.device.type
            self.changed()
        except BaseException as error:  # for the thread that waits
            self.error = error
        finally:
            self.finished.set()

    def wait(self) -> None:
        """Wait until the models are loaded. Raises the error that stopped loading."""
        while not self.finished.wait(0.1):  # in pieces: Ctrl-C is heeded between them
            pass
        if self.error is not None:
            raise self.error

    def facts(self) -> Facts | None:
        """None if nothing is memorized yet. Raises TitansError if the store cannot be opened."""
        try:
            with Store.open(self.session.home) as store:
                head = store.require_head()
                documents = store.documents(head)
                return Facts(head.name, len(documents), sum(document.tokens for document in documents))
        except NoStoreError:
            return None

    def documents(self) -> list[str]:
        """Names of all documents. Raises TitansError."""
        with Store.open(self.session.home) as store:
            return [document.name for document in store.documents(store.require_head())]
