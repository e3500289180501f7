"""Errors of the ingest package.

SourceError           a file that cannot be read; carries its path and what to do
"""

from pathlib import Path

__all__ = ["SourceError"]


class SourceError(Exception):
    """One source cannot be memorized. ``reason`` is one line for people."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
