"""Everything that is printed: stdout is data, stderr is progress and warnings.

Text from documents, file names and questions is never markup and never controls the terminal.
"""

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from titans_cli.store import Snapshot
from titans_cli.usecases.ask import Answer, Evidence
from titans_cli.usecases.continue_text import Continuation
from titans_cli.usecases.ingest import IngestResult
from titans_cli.usecases.snapshots import ListedSnapshot
from titans_cli.usecases.status import Status

__all__ = [
    "IngestBar",
    "answer_json",
    "plain",
    "print_answer",
    "print_continuation",
    "print_error",
    "print_ingest",
    "print_json",
    "print_note",
    "print_snapshots",
    "print_sources",
    "print_status",
]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x1b\\|\x07|$)|.?)", re.DOTALL)
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """``text`` without escape sequences, control characters (but newline and tab) and bidirectional controls."""
    return CONTROLS.sub("", ESCAPES.sub("", text))


def where(document: str, page: int | None) -> str:
    return plain(document).replace("\n", " ") + (f", page {page}" if page is not None else "")


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def print_error(message: str) -> None:
    err.print(Text(plain(message)), style="red", soft_wrap=True)


def print_note(message: str) -> None:
    err.print(Text(plain(message)), style="dim", soft_wrap=True)


def answer_json(answer: Answer) -> str:
    """The versioned contract of ``ask --json``: one object on one line."""
    facts = asdict(answer)
    del facts["signs"]
    return json.dumps({"version": 1, **facts}, ensure_ascii=False)


def print_json(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def print_answer(answer: Answer) -> None:
    if answer.answer is None:
        out.print(Text("Not in memory.", style="yellow"))
        return
    out.print(Text(plain(answer.answer), style="bold green"), Text(f"  ({answer.confidence:.0%} sure)", style="dim"))
    for evidence in answer.evidence:
        print_evidence(evidence)


def print_evidence(evidence: Evidence) -> None:
    out.print(Text(f"  {where(evidence.document, evidence.page)}", style="cyan"), end="")
    out.print(Text("  recited word for word" if evidence.verbatim else "  recited inexactly", style="dim"))
    out.print(Text(f"  “{' '.join(plain(evidence.text).split())}”", style="italic"))


def print_continuation(continuation: Continuation) -> None:
    out.print(Text(plain(continuation.text)), soft_wrap=True)
    kind = "recited word for word" if continuation.verbatim else "recited inexactly"
    print_note(f"{where(continuation.document, continuation.page)}  {kind}")


def print_ingest(result: IngestResult) -> None:
    for document, pages in result.without_text:
        listed = ", ".join(map(str, pages[:10])) + (" …" if len(pages) > 10 else "")
        print_note(
            f"{document}: no text on {len(pages)} page{'s' * (len(pages) > 1)} ({listed}); if scanned, recognise the text (OCR) first"
        )
    if result.interrupted:
        print_error("Interrupted. What was finished is kept; run the same command again for the rest.")
    speed = result.tokens / result.seconds if result.seconds else 0
    out.print(
        f"{result.new} new, {result.unchanged} unchanged, {len(result.failed)} failed: {result.tokens:,} tokens "
        f"in {result.memories:,} memories ({megabytes(result.memory_bytes)} of weights), {result.seconds:.1f} s, {speed:,.0f} tokens/s",
        soft_wrap=True,
    )
    if result.failed:
        print_error("Not memorized:")
        for path, reason in result.failed:
            print_error(f"  {path}: {reason}")


def print_status(status: Status) -> None:
    out.print(Text(f"{plain(str(status.home))}  snapshot {plain(status.snapshot.name)}, {status.snapshot.digest[:12]}"), soft_wrap=True)
    out.print(
        f"{len(status.documents)} documents, {status.tokens:,} tokens in {status.memories:,} memories, "
        f"{megabytes(status.bytes)} with gists",
        soft_wrap=True,
    )
    for path, reason in status.failures:
        out.print(Text(f"failed: {plain(path)}: {plain(reason)}", style="red"), soft_wrap=True)


def print_sources(status: Status) -> None:
    table = Table("document", "pages", "tokens", "memories", box=None, header_style="dim", pad_edge=False)
    for document in status.documents:
        pages = str(document.pages) if document.pages else ""
        table.add_row(Text(where(document.name, None)), pages, f"{document.tokens:,}", f"{document.memories:,}")
    out.print(table)


def print_snapshots(listed: Sequence[ListedSnapshot]) -> None:
    table = Table("", "name", "created", "documents", "tokens", "digest", box=None, header_style="dim", pad_edge=False)
    for row in listed:
        s: Snapshot = row.snapshot
        table.add_row("*" if row.head else "", Text(plain(s.name)), s.created, str(row.documents), f"{row.tokens:,}", s.digest[:12])
    out.print(table)


class IngestBar:
    """The progress bar of ``ingest``, on stderr: file, page, tokens/s and time left."""

    def __init__(self) -> None:
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]} tokens/s"),
            TimeRemainingColumn(),
            console=err,
            transient=True,
        )
        self.tokens = 0
        self.finished = 0
        self.size = 0
        self.begun = time.monotonic()

    def __enter__(self) -> "IngestBar":
        self.bar.start()
        self.task = self.bar.add_task("reading", total=None, speed="–")
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def begin(self, files: int, size: int) -> None:
        self.bar.update(self.task, total=max(1, size), description=f"{files} files")

    def file(self, name: str, pages: int | None, size: int) -> None:
        self.name, self.pages, self.size = where(name, None), pages, size
        self.bar.update(self.task, description=self.name)

    def page(self, number: int | None, tokens: int, share: float) -> None:
        self.tokens += tokens
        page = f"  page {number} of {self.pages}" if number is not None else ""
        speed = f"{self.tokens / (time.monotonic() - self.begun):,.0f}"
        self.bar.update(self.task, description=self.name + page, speed=speed, completed=self.finished + share * self.size)

    def done(self, size: int) -> None:
        self.finished += size
        self.bar.update(self.task, completed=self.finished)
