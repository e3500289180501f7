"""An assistant that follows its store: opened when it is first needed, and again when the memory has changed."""

import threading
from pathlib import Path

from titans_cli.models import Models
from titans_cli.store import Store
from titans_cli.usecases.ask import Assistant

__all__ = ["Live"]


class Live:
    """Safe to ask from several threads."""

    def __init__(self, home: Path, models: Models):
        self.home = home
        self.models = models
        self.current: Assistant | None = None
        self.lock = threading.Lock()

    def assistant(self) -> Assistant:
        """The assistant of what is memorized now. Raises NoStoreError, TooNewError or DamagedError."""
        with self.lock:
            with Store.open(self.home) as store:
                digest = store.require_head(self.models.fingerprint).digest
            if self.current is None or self.current.snapshot.digest != digest:
                self.current = Assistant(self.home, self.models)
            return self.current
