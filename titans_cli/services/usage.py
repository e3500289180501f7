"""Counts the answers that each document gave, so that a budget forgets useful documents last."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from titans_cli.errors import TitansError
from titans_cli.services.ask.results import Answer
from titans_cli.store import Store

__all__ = ["count_answer"]


def count_answer(home: Path, answer: Answer) -> None:
    """Count a shown answer for the documents of its evidence. Skipped while another process writes."""
    paths = {piece.source.path for piece in answer.evidence if piece.source is not None}
    if paths:
        with suppress(TitansError, sqlite3.Error), Store.open(home, patience=0) as store:
            store.bookkeeping.count_answer(paths)
