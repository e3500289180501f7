"""Note which documents gave answers: with a budget, documents that are of use are forgotten last."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from titans_cli.errors import TitansError
from titans_cli.services.ask.results import Answer
from titans_cli.store import Store

__all__ = ["count_answer"]


def count_answer(home: Path, answer: Answer) -> None:
    """Count an answer that was shown for the documents of its evidence; not while another process writes."""
    paths = {piece.source.path for piece in answer.evidence if piece.source is not None}
    if paths:
        with suppress(TitansError, sqlite3.Error), Store.open(home, patience=0) as store:
            store.bookkeeping.count_answer(paths)
