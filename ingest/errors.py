"""Errors of the ingest package.

SourceError           a file that cannot be read; carries its path, the kind of problem, and what to do
"""

from pathlib import Path
from typing import Literal

__all__ = ["Kind", "SourceError"]

Kind = Literal["missing", "unreadable", "encrypted", "corrupt", "limit", "timeout", "no text", "empty", "not text"]


class SourceError(Exception):
    """One source cannot be memorized. ``reason`` is one line for people."""

    def __init__(self, path: Path, reason: str, kind: Kind = "unreadable"):
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
        self.kind = kind

    def __reduce__(self) -> tuple:
        return type(self), (self.path, self.reason, self.kind)
