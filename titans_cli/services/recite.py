"""Recites the text that follows some words of a document. Loads no torch itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from titans_cli.errors import TitansError, UsageError
from titans_cli.store import StoredDocument

if TYPE_CHECKING:  # loads torch
    from titans_cli.services.ask.retrieve import Recitation, Retriever

__all__ = ["Continuation", "continue_text", "recite_on"]

SEARCHED = 24
"""Memories that are searched for the words."""
FOLLOWING = 4
"""Memories that are recited after the one that contains the words."""


@dataclass(frozen=True)
class Continuation:
    """Text that follows the words in ``document``, starting on ``page``."""

    text: str
    document: str
    page: int | None
    verbatim: bool
    source: StoredDocument


def continue_text(retriever: Retriever, words: str) -> Continuation | None:
    """The recited text after ``words`` in the document that contains them; None if no retrieved memory contains them.

    Case and white space do not matter.
    """
    pattern = re.compile(r"\s+".join(re.escape(word) for word in words.split()), re.IGNORECASE)
    if not pattern.pattern:
        return None
    for run in retriever.retrieve(words, SEARCHED, SEARCHED, associated=0).runs:
        match = pattern.search(run.text)
        if match:
            return follow(retriever, run, match)
    return None


def recite_on(retriever: Retriever, words: str) -> Continuation:
    """``continue_text``. Raises UsageError without words, TitansError if no retrieved memory contains them."""
    if not words.strip():
        raise UsageError('Give some words of a document: titans recite "some words"')
    continuation = continue_text(retriever, words)
    if continuation is None:
        raise TitansError("None of the retrieved memories contains these words. Give more words, exactly as in the document.")
    return continuation


def follow(retriever: Retriever, run: Recitation, match: re.Match[str]) -> Continuation:
    memory = next(s.memory for s in run.sentences if s.end >= match.end())
    scores = {m: 0.0 for m in range(run.first, memory + FOLLOWING + 1) if m == run.first or retriever.same_document(run.first, m)}
    (longer,) = retriever.recite(scores)
    return Continuation(longer.text[match.end() :], longer.document, longer.pages[memory], all(longer.verbatim.values()), longer.source)
