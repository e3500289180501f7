"""Has a language model write an answer from quotes, and checks its citations. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from titans_cli.errors import TitansError
from titans_cli.services.llm.citations import Citations
from titans_cli.services.llm.quotes import Quote

if TYPE_CHECKING:
    from titans_cli.services.ask.results import Answer
    from titans_cli.services.llm.client import LlmClient

__all__ = ["Screen", "Written", "WrittenAnswer", "write_answer"]


class Screen(Protocol):
    """Shows an answer while it is written. The results of ``clean`` and ``rest`` are safe to show."""

    def wait(self) -> None: ...
    def begin(self, model: str, url: str, local: bool) -> None: ...
    def clean(self, text: str) -> str: ...
    def rest(self) -> str: ...
    def show(self, text: str) -> None: ...


@dataclass(frozen=True)
class Written:
    """The text of a language model and the quotes that it cites, in the order of their first mention."""

    text: str
    model: str
    url: str
    citations: tuple[Quote, ...]


@dataclass(frozen=True)
class WrittenAnswer:
    """An answer from memory, and the answer of a language model, if there is one."""

    answer: Answer
    quotes: tuple[Quote, ...]
    written: Written | None
    error: TitansError | None  # why none was written; None also where no model was asked


def write_answer(client: LlmClient, answer: Answer, quotes: Sequence[Quote], screen: Screen) -> WrittenAnswer:
    """Have the server's model write an answer from ``quotes``, shown on ``screen`` as it streams in.

    The model is not asked where memory holds nothing about the question. Citations of unknown quotes become [?]. Ctrl-C ends the request.
    """
    if not quotes or (answer.refused and not answer.closest):
        return WrittenAnswer(answer, tuple(quotes), None, None)
    citations, parts = Citations(quotes), []

    def pass_on(text: str) -> None:
        parts.append(text)
        screen.show(text)

    screen.wait()
    try:
        with closing(client.write(answer.question, quotes)) as pieces:
            begun = False
            for piece in pieces:
                if not begun:
                    screen.begin(client.model, client.url, client.local)
                    begun = True
                pass_on(citations.feed(screen.clean(piece)))  # cleaned first: what is taken out later could make a citation
        pass_on(citations.feed(screen.rest()) + citations.finish())
    except TitansError as error:
        return WrittenAnswer(answer, tuple(quotes), None, error)
    written = Written("".join(parts).strip(), client.model, client.url, tuple(citations.cited))
    return WrittenAnswer(answer, tuple(quotes), written, None)
