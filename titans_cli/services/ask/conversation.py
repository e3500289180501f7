"""A conversation, shared by ``titans ask`` and ``titans chat``. Loads no torch before the first question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from titans_cli.errors import UsageError
from titans_cli.services import history, usage
from titans_cli.services.ask.context import with_context
from titans_cli.services.ask.follow_up import ask_in_conversation
from titans_cli.services.ask.results import MIN_CONFIDENCE, Answer
from titans_cli.services.llm.quotes import Quote, gather_quotes

if TYPE_CHECKING:
    from titans_cli.services.ask.answer import Assistant
    from titans_cli.session import Session

__all__ = ["Asked", "Conversation"]


@dataclass(frozen=True)
class Asked:
    """A question, its answer, and what a language model needs to write one."""

    question: str  # as it was typed
    answer: Answer
    quotes: tuple[Quote, ...]  # for a language model, where they were asked for
    assistant: Assistant  # that answered


class Conversation:
    """Questions to one session; each may follow up on earlier ones."""

    def __init__(self, session: Session, name: str = "", earlier: Sequence[Answer] = (), least: float = MIN_CONFIDENCE):
        self.session = session
        self.name = name
        self.earlier = list(earlier)
        self.least = least
        self.last: Asked | None = None  # None also after ``load``

    def ask(self, question: str, context: int = 0, quotes: bool = False) -> Asked:
        """Answer ``question``, with ``context`` sentences around the evidence. Writes nothing. Raises TitansError."""

        def work(assistant: Assistant) -> Asked:
            answer = ask_in_conversation(assistant, question, self.earlier, self.least)
            gathered = gather_quotes(answer) if quotes else ()
            return Asked(question, with_context(assistant.retriever, answer, context), gathered, assistant)

        self.last = self.session.read(work)
        return self.last

    def shown(self, asked: Asked, follow: bool = True, keep: bool = True) -> None:
        """Record an answer after it was shown: with ``follow`` for follow-up questions, with ``keep`` in the history and for --budget."""
        if follow:
            self.earlier.append(replace(asked.answer, retrieval=None))
        if keep:
            usage.count_answer(self.session.home, asked.answer)
            history.keep(self.session.home, asked.answer, asked.question, self.name)

    def with_context(self, count: int) -> Answer:
        """The last answer, with ``count`` sentences around its evidence. Raises UsageError before the first question."""
        asked = self.answered()
        with self.session.exclusive():
            return with_context(asked.assistant.retriever, asked.answer, count)

    def answered(self) -> Asked:
        """The last question and its answer. Raises UsageError before the first one."""
        if self.last is None:
            raise UsageError("Nothing was asked yet.")
        return self.last

    def load(self, name: str | None) -> None:
        """Continue an earlier conversation, or the last one. Raises UsageError when there is none."""
        self.name, self.earlier = history.load(self.session.home, name)
        self.last = None

    def begin(self, name: str) -> None:
        """Start a new conversation."""
        self.name, self.earlier, self.last = name, [], None

    def rename(self, name: str) -> None:
        """Raises UsageError when another conversation has that name."""
        history.rename(self.session.home, self.name, name)
        self.name = name
