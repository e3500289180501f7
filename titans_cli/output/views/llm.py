"""Answers that a language model has written, as they come in, with the sources that they cite."""

from __future__ import annotations

from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Any

from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.stream import PlainStream
from titans_cli.output.terminal import mode, out, print_error, print_json, print_note, show, words, working
from titans_cli.output.views.ask import print_answer, print_why, source_line, sureness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from titans_cli.services.ask.answer import Answer
    from titans_cli.services.llm.client import Voice, Written
    from titans_cli.services.llm.quotes import Source

__all__ = ["print_written"]


def print_written(answer: Answer, voice: Voice, sources: Sequence[Source], why: bool = False) -> bool:
    """Have ``voice`` write an answer from ``sources`` and show it as it comes in; ``why``: and what the question woke.

    Where it cannot, the answer from memory is shown and, as an error, why; returns whether all went well. A refused answer is shown as
    it is, and the language model is not asked. Raises KeyboardInterrupt when it is stopped, with the line ended.
    """
    from titans_cli.errors import TitansError
    from titans_cli.services.llm.citations import Citations

    if answer.answer is None or not sources:
        show_plain(answer, why)
        return True
    safe, citations, text = PlainStream(), Citations(sources), ""
    try:
        with closing(voice.write(answer.question, sources)) as pieces:
            with working("Writing"):
                first = next(pieces, "")
            print_writer(voice)
            for piece in chain([first], pieces):
                text += pass_on(citations.feed(safe.feed(piece)))
        text += pass_on(citations.feed(safe.finish()) + citations.finish())
    except KeyboardInterrupt:
        end_line(text)
        raise
    except TitansError as error:
        end_line(text)
        print_error(str(error), error.exit_code)
        show_plain(answer, why)
        return False
    end_line(text)
    written = voice.written(text, citations)
    if mode.json:
        print_json({**json_output.of_answer(answer, why), "written": of_written(written)})
    else:
        print_sources_of(written, answer, sources)
        if why:
            print_why(answer)
    return True


def show_plain(answer: Answer, why: bool) -> None:
    """The answer from memory alone; with --json, "written" says that nothing was."""
    if mode.json:
        print_json({**json_output.of_answer(answer, why), "written": None})
    else:
        print_answer(answer, why)


def print_writer(voice: Voice) -> None:
    """Who writes what follows. Part of the answer: it must not get lost where the notes do."""
    if not (mode.json or mode.quiet):
        whose = f"Written by a language model ({words(voice.model)}, {words(voice.url)}), which may err:"
        out.print(Text(whose, style="dim"), soft_wrap=True)
        if not voice.local:
            print_note("The question and the quotes leave this machine.")


def pass_on(text: str) -> str:
    """``text``, which is shown at once where it is for people."""
    if text and not mode.json:
        out.out(text, end="", highlight=False)
    return text


def end_line(text: str) -> None:
    if text and not mode.json:
        out.print()


def print_sources_of(written: Written, answer: Answer, sources: Sequence[Source]) -> None:
    """What is cited and what the answer from memory rests on, by number; and that answer."""
    if mode.quiet:
        return
    cited = set(written.citations)
    out.print()
    show(Text.assemble(("From memory: ", "dim"), (words(answer.answer or ""), "bold green")))
    show(Text(sureness(answer.confidence), style="dim"))
    for source in sources:
        if source in cited or source.evidence:
            out.print()
            show(Text(f"[{source.number}] ") + source_line(source))
            show(Text(f"“{words(source.text)}”", style="italic"), indent=2)
    if not cited:
        print_note("\nIt cites nothing: hold it against what is quoted here.")
    if "[?]" in written.text:
        print_note("[?] stands where it cites what it was not given.")


def of_written(written: Written) -> dict[str, Any]:
    """What --json says of it."""
    citations = [{"number": s.number, "text": s.text, "document": s.document, "page": s.page} for s in written.citations]
    return {"text": written.text, "model": written.model, "url": written.url, "citations": citations}
