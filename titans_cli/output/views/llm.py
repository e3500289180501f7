"""Shows answers written by a language model as they stream in, and the sources that they cite."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.sanitize import PlainStream, words
from titans_cli.output.terminal import mode, out, print_error, print_json, print_note, show, working
from titans_cli.output.views.ask import print_answer, print_why, source_line, sureness

if TYPE_CHECKING:
    from titans_cli.services.llm.write import Written, WrittenAnswer

__all__ = ["AnswerStream", "print_written"]


class AnswerStream:
    """Shows an answer while it is written; nothing with --json. At the end, also after Ctrl-C, it ends the line."""

    def __init__(self) -> None:
        self.plain = PlainStream()
        self.waiting: AbstractContextManager[object] | None = None
        self.shown = False

    def __enter__(self) -> AnswerStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_waiting()
        if self.shown:
            out.print()

    def wait(self) -> None:
        """Show a spinner until the answer starts."""
        self.waiting = working("Writing")
        self.waiting.__enter__()

    def stop_waiting(self) -> None:
        if self.waiting is not None:
            self.waiting.__exit__(None, None, None)
            self.waiting = None

    def begin(self, model: str, url: str, local: bool) -> None:
        """Say which model writes. This is part of the answer: it goes to stdout, unlike notes."""
        self.stop_waiting()
        if mode.json or mode.quiet:
            return
        out.print(Text(f"Written by a language model ({words(model)}, {words(url)}), which can be wrong:", style="dim"), soft_wrap=True)
        if not local:
            print_note("The question and the quotes leave this machine.")

    def clean(self, text: str) -> str:
        """The part of the text so far that can be shown."""
        return self.plain.feed(text)

    def rest(self) -> str:
        """The rest of the text."""
        return self.plain.finish()

    def show(self, text: str) -> None:
        if text and not mode.json:
            out.out(text, end="", highlight=False)
            self.shown = True


def print_written(result: WrittenAnswer, why: bool = False) -> None:
    """Print what follows a written answer. If none was written, print the error and the answer from memory."""
    if result.error is not None:
        print_error(str(result.error), result.error.exit_code)
    if mode.json:
        print_json(json_output.of_written(result, why))
    elif result.written is None:
        print_answer(result.answer, why)
    else:
        print_sources(result, result.written)
        if why:
            print_why(result.answer)


def print_sources(result: WrittenAnswer, written: Written) -> None:
    """Print the answer from memory, and the numbered quotes that are cited or contain its evidence."""
    if mode.quiet:
        return
    cited = set(written.citations)
    out.print()
    if result.answer.line is None:
        show(Text("Memory alone was not sure.", style="dim"))
    else:
        show(Text.assemble(("From memory: ", "dim"), (words(result.answer.line), "bold green")))
        show(Text(sureness(result.answer.confidence), style="dim"))
    for quote in result.quotes:
        if quote in cited or quote.evidence:
            out.print()
            show(Text(f"[{quote.number}] ") + source_line(quote))
            show(Text(f"“{words(quote.text)}”", style="italic"), indent=2)
    if not cited:
        print_note("\nThe answer cites no quotes. Compare it with the quotes above.")
    if "[?]" in written.text:
        print_note("[?] marks a citation of a quote that it was not given.")
