import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Home, command


@command(
    'titans ask "Who wrote bzip2?"', 'titans ask --json "Who wrote bzip2?"', "titans ask --questions questions.txt --json > answers.jsonl"
)
def ask(
    question: Annotated[str | None, typer.Argument(help="The question, or - to read it from standard input.")] = None,
    questions: Annotated[Path | None, typer.Option("--questions", help="File with one question a line, or - for standard input.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Answer only what is more likely right than wrong.")] = False,
    min_confidence: Annotated[
        float | None, typer.Option("--min-confidence", min=0, max=1, help="Refuse answers that are less sure than this.")
    ] = None,
    home: Home = None,
) -> None:
    """Answer from memory, with document, page and recited evidence."""
    from titans_cli.errors import UsageError
    from titans_cli.models import Models
    from titans_cli.render import print_answer, print_note
    from titans_cli.settings import home_folder
    from titans_cli.usecases.ask import MIN_CONFIDENCE, STRICT, Assistant

    if (question is None) == (questions is None):
        raise UsageError('Give one question, or a file of them: titans ask "…"  or  titans ask --questions FILE')
    if strict and min_confidence is not None:
        raise UsageError("Give --strict or --min-confidence, not both.")
    least = STRICT if strict else MIN_CONFIDENCE if min_confidence is None else min_confidence
    asked = lines(questions) if questions is not None else iter([sys.stdin.read() if question == "-" else str(question)])
    assistant = Assistant(home_folder(home), Models())
    for text in asked:
        text = text.strip()
        if not text:
            if question is not None:
                raise UsageError("The question is empty.")
            continue
        answer = assistant.ask(text, least)
        if questions is not None:
            print_note(f"\n{text}")
        print_answer(answer)


def lines(path: Path) -> Iterator[str]:
    """Lines of a file or of standard input. Raises UsageError before the models are loaded."""
    from titans_cli.errors import UsageError

    if str(path) == "-":
        return iter(sys.stdin)
    try:
        return iter(path.read_text("utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read the questions in {path} ({error}).") from error
