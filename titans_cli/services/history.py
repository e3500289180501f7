"""The user's questions and the answers given: keep, list, rename, delete."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from titans_cli.encoding import well_formed
from titans_cli.errors import NoStoreError, TitansError, UsageError
from titans_cli.services.ask.results import Answer
from titans_cli.settings import history_wanted
from titans_cli.store import History, StoredDocument, Turn, now

__all__ = ["Listed", "clear", "forget_turns", "keep", "load", "look", "names", "rename", "said", "switch"]


def keep(home: Path, answer: Answer, typed: str, conversation: str = "") -> None:
    """Save a question and its answer, unless the history is off. Write errors are ignored."""
    if not history_wanted():
        return
    sources = [(evidence.source.path, evidence.document, evidence.page) for evidence in answer.evidence if evidence.source is not None]
    turn = Turn(conversation, now(), well_formed(typed), answer.question, answer.answer, answer.confidence, tuple(sources))
    with suppress(TitansError, sqlite3.Error, OSError), History.open(home) as history:
        if history.kept:
            history.add(turn)


@dataclass(frozen=True)
class Listed:
    """Turns, oldest first, and whether the history is on."""

    turns: tuple[Turn, ...]
    kept: bool


def opened(home: Path) -> History:
    """Open the history. Raises NoStoreError when there is no store."""
    if not (home / "titans.db").exists() and not (home / "history.db").exists():
        raise NoStoreError(f"No memory at {home}. Run: titans ingest FOLDER")
    return History.open(home)


def look(home: Path, words: Sequence[str] = (), last: int | None = None, conversation: str | None = None) -> Listed:
    """The ``last`` turns that contain all ``words``, of one ``conversation`` or of all."""
    with opened(home) as history:
        return Listed(tuple(history.turns([well_formed(word) for word in words], conversation, last)), history.kept and history_wanted())


def load(home: Path, conversation: str | None = None) -> tuple[str, list[Answer]]:
    """The name and the answers of a conversation, or of the last one. Raises UsageError if there is none."""
    with opened(home) as history:
        names = history.conversations()
        name = names[0] if conversation is None and names else conversation
        if name not in names:
            known = f" Conversations: {', '.join(map(repr, filter(None, names[:5])))}." if any(names) else ""
            raise UsageError(f"No conversation is named {name!r}.{known}" if name else "Nothing was asked yet.")
        return name or "", [said(turn) for turn in history.turns(conversation=name)]


def names(home: Path) -> list[str]:
    """Names of conversations, latest first."""
    with opened(home) as history:
        return [name for name in history.conversations() if name]


def said(turn: Turn) -> Answer:
    """The answer of a turn, with what follow-up questions need."""
    return Answer(turn.understood, turn.answer, turn.confidence, (), 0)


def rename(home: Path, conversation: str, name: str) -> None:
    """Rename a conversation. Raises UsageError when the name is taken."""
    with opened(home) as history:
        if name in history.conversations():
            raise UsageError(f"A conversation named {name!r} already exists. Choose another name.")
        history.rename(conversation, name)


def switch(home: Path, keep: bool) -> None:
    with opened(home) as history:
        history.switch(keep)


def clear(home: Path) -> int:
    """Delete all turns; returns their number."""
    with opened(home) as history:
        return history.clear()


def forget_turns(home: Path, documents: Iterable[StoredDocument]) -> int:
    """Delete the turns whose answers come from ``documents``; returns their number."""
    if not (home / "history.db").exists():
        return 0
    with History.open(home) as history:
        return history.forget(document.path for document in documents)
