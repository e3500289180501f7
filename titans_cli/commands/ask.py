import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Home, Llm, Model, command


@command(
    'titans ask "Who wrote bzip2?"',
    'titans ask "Who wrote bzip2?" --context 2 --why',
    'titans ask --continue "When was it released?"',
    'titans ask --quiet "Who wrote bzip2?" | wc -w',
    'titans ask --llm http://localhost:11434 --model qwen3:4b "Who wrote bzip2?"',
    "titans ask --questions questions.txt --json > answers.jsonl",
)
def ask(
    question: Annotated[str | None, typer.Argument(help="The question; standard input when it is - or not given.")] = None,
    questions: Annotated[Path | None, typer.Option("--questions", help="File with one question a line, or - for standard input.")] = None,
    follow: Annotated[bool, typer.Option("--continue", "-c", help="It may speak of what was asked before.")] = False,
    context: Annotated[int, typer.Option("--context", min=0, max=100, help="Sentences to recite around the evidence.")] = 0,
    why: Annotated[bool, typer.Option("--why", help="Show which memories woke, and how strongly.")] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the answer to the clipboard.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Answer only what is more likely right than wrong.")] = False,
    min_confidence: Annotated[
        float | None, typer.Option("--min-confidence", min=0, max=1, help="Refuse answers that are less sure than this.")
    ] = None,
    llm: Llm = None,
    model: Model = None,
    history: Annotated[bool, typer.Option("--history/--no-history", help="Keep the question for titans history.")] = True,
    home: Home = None,
) -> None:
    """Answer from memory, with document, page and recited evidence."""
    from titans_cli.errors import UsageError
    from titans_cli.models import Models
    from titans_cli.output import copy_text, print_answer, print_note, print_written, working
    from titans_cli.services import history as kept
    from titans_cli.services.ask.answer import MIN_CONFIDENCE, STRICT, Assistant, with_context
    from titans_cli.services.ask.follow_up import ask_in_conversation
    from titans_cli.services.llm.client import choose_voice
    from titans_cli.services.llm.quotes import gather_sources
    from titans_cli.settings import home_folder

    if question is None and questions is None and not sys.stdin.isatty():
        question = "-"
    if (question is None) == (questions is None):
        raise UsageError('Give one question, or a file of them: titans ask "…"  or  titans ask --questions FILE')
    if strict and min_confidence is not None:
        raise UsageError("Give --strict or --min-confidence, not both.")
    least = STRICT if strict else MIN_CONFIDENCE if min_confidence is None else min_confidence
    asked = lines(questions) if questions is not None else iter([sys.stdin.read() if question == "-" else str(question)])
    folder, voice, written = home_folder(home), choose_voice(llm, model), True
    with working("Waking up"):
        assistant = Assistant(folder, Models())
    conversation, earlier = kept.load(folder) if follow else ("", [])
    for text in asked:
        text = " ".join(text.split())
        if not text:
            if question is not None:
                raise UsageError("The question is empty.")
            continue
        if questions is not None:
            print_note(f"\n{text}")
        with working("Remembering"):
            answer = with_context(assistant, ask_in_conversation(assistant, text, earlier, least), context)
            sources = gather_sources(assistant, answer) if voice else ()
        if voice:
            written &= print_written(answer, voice, sources, why)
        else:
            print_answer(answer, why)
        if answer.refused and not why and questions is None:
            print_note("What it woke: --why. Less sure answers: --min-confidence 0.05")
        if follow:
            earlier.append(answer)
        if history and questions is None:
            kept.keep(folder, answer, text, conversation)
        if copy and answer.answer is not None:
            copy_text(answer.answer)
    if not written:
        raise typer.Exit(1)


def lines(path: Path) -> Iterator[str]:
    """Lines of a file or of standard input. Raises UsageError before the models are loaded."""
    from titans_cli.errors import UsageError

    if str(path) == "-":
        return iter(sys.stdin)
    try:
        return iter(path.read_text("utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read the questions in {path} ({error}).") from error
