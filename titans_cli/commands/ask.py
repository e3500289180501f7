"""``titans ask``."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, Llm, Model, command
from titans_cli.errors import UsageError
from titans_cli.output import AnswerStream, copy_text, print_answer, print_note, print_written, working
from titans_cli.services.ask.conversation import Conversation
from titans_cli.services.ask.results import MIN_CONFIDENCE, STRICT
from titans_cli.services.llm.client import choose_client
from titans_cli.services.llm.write import write_answer
from titans_cli.session import Session
from titans_cli.settings import home_folder


@command(
    'titans ask "Who is the author of bzip2?"',
    'titans ask "Who is the author of bzip2?" --context 2 --why',
    'titans ask --continue "When was it released?"',
    'titans ask --quiet "Who is the author of bzip2?" | wc -w',
    'titans ask --llm http://localhost:11434 --model qwen3:4b "Who is the author of bzip2?"',
    "titans ask --questions questions.txt --json > answers.jsonl",
)
def ask(
    question: Annotated[str | None, typer.Argument(help="The question. If it is - or missing, standard input is read.")] = None,
    questions: Annotated[
        Path | None, typer.Option("--questions", readable=False, help="File with one question per line, or - for standard input.")
    ] = None,
    follow: Annotated[bool, typer.Option("--continue", "-c", help="Treat as a follow-up to the last question.")] = False,
    context: Annotated[int, typer.Option("--context", min=0, max=100, help="Sentences to recite around the evidence.")] = 0,
    why: Annotated[bool, typer.Option("--why", help="Show which memories were retrieved, with their scores.")] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the answer to the clipboard.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Answer only if the answer is more likely right than wrong.")] = False,
    min_confidence: Annotated[
        float | None, typer.Option("--min-confidence", min=0, max=1, help="Refuse answers with a lower confidence than this.")
    ] = None,
    llm: Llm = None,
    model: Model = None,
    history: Annotated[bool, typer.Option("--history/--no-history", help="Keep the question in the history.")] = True,
    device: Device = None,
    home: Home = None,
) -> None:
    """Answer a question from memory, with document, page and recited evidence."""
    if strict and min_confidence is not None:
        raise UsageError("Give --strict or --min-confidence, not both.")
    least = STRICT if strict else MIN_CONFIDENCE if min_confidence is None else min_confidence
    one = questions is None
    asked_texts = read_questions(question, questions)
    client, failed = choose_client(llm, model), False
    session = Session(home_folder(home), device)
    with working("Loading the model"):
        session.assistant()
    conversation = Conversation(session, least=least)
    if follow:
        conversation.load(None)
    for text in asked_texts:
        if not one:
            print_note(f"\n{text}")
        with working("Answering"):
            asked = conversation.ask(text, context, quotes=client is not None)
        answer = asked.answer
        if answer.question != text:
            print_note(f"Understood as: {answer.question}")
        if client is None:
            print_answer(answer, why)
        else:
            with AnswerStream() as screen:
                written = write_answer(client, answer, asked.quotes, screen)
            print_written(written, why)
            failed |= written.error is not None
        if answer.refused and not why and one:
            print_note("See what was retrieved: --why. Allow less certain answers: --min-confidence 0.1")
        conversation.shown(asked, follow=follow, keep=history and one)
        if copy and answer.line is not None:
            copy_text(answer.line)
    if failed:
        raise typer.Exit(1)


def read_questions(question: str | None, file: Path | None) -> Iterator[str]:
    """What is asked, each on one line: the one question, that of standard input, or those of a file. Raises UsageError."""
    if question is None and file is None and not sys.stdin.isatty():
        question = "-"
    if (question is None) == (file is None):
        raise UsageError('Give either a question or a file of questions: titans ask "…"  or  titans ask --questions FILE')
    if file is not None:
        return (text for text in (" ".join(line.split()) for line in lines(file)) if text)
    text = " ".join((sys.stdin.read() if question == "-" else str(question)).split())
    if not text:
        raise UsageError("The question is empty.")
    return iter([text])


def lines(path: Path) -> Iterator[str]:
    """Lines of a file or of standard input. Raises UsageError before the models are loaded."""
    if str(path) == "-":
        return iter(sys.stdin)
    try:
        return iter(path.read_text("utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read the questions in {path} ({error}). Check the path.") from error
