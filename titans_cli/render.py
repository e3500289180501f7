"""Everything that is printed: stdout is data, stderr is progress and warnings.

Text from documents, file names and questions is never markup and never controls the terminal.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # what is printed; importing it would load torch and the readers of files
    from titans_cli.store import Snapshot
    from titans_cli.usecases.ask import Answer, Evidence
    from titans_cli.usecases.continue_text import Continuation
    from titans_cli.usecases.ingest import IngestResult
    from titans_cli.usecases.plan import Plan
    from titans_cli.usecases.snapshots import Difference, ListedSnapshot
    from titans_cli.usecases.status import Status

__all__ = [
    "IngestBar",
    "answer_json",
    "plain",
    "print_answer",
    "print_continuation",
    "print_difference",
    "print_error",
    "print_ingest",
    "print_json",
    "print_note",
    "print_plan",
    "print_snapshots",
    "print_sources",
    "print_status",
    "some",
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


def some(items: Sequence[object], most: int = 5) -> str:
    """The first of ``items``, with dots where there are more."""
    return ", ".join(map(str, items[:most])) + (" …" if len(items) > most else "")


def page_list(pages: Sequence[int]) -> str:
    """Numbers of pages, the first ten."""
    return f"page{'s' * (len(pages) > 1)} {some(pages, 10)}"


def print_ingest(result: IngestResult) -> None:
    did = result.did
    for document, encoding in did.encodings:
        print_note(f"{document}: read as {encoding}; choose another with --encoding")
    for document, pages in did.without_text:
        print_note(f"{document}: no text on {page_list(pages)}; if scanned, recognise the text (OCR) first")
    for document, unread in did.unread_pages:
        for reason in dict.fromkeys(reason for _, reason in unread):
            print_note(f"{document}: {page_list([number for number, why in unread if why == reason])} not read: {reason}")
    if did.forgotten:
        names = some([document.name for document in did.forgotten])
        print_note(f"Forgot {len(did.forgotten)} documents to keep within the budget ({names}); see titans status.")
    if did.left_out:
        print_note(f"{did.left_out} files passed over that were forgotten for want of room before. Allow more with --budget.")
    if did.gone:
        names = some([document.name for document in did.gone])
        what = "taken out" if result.pruned else "still memorized; take them out with --prune-missing"
        print_note(f"{len(did.gone)} documents whose files are not there any more ({names}): {what}")
    if result.interrupted:
        print_error("Interrupted. What was finished is kept; run the same command again for the rest.")
    speed = did.tokens / result.seconds if result.seconds else 0
    others = (("changed", did.changed), ("moved", did.moved), ("copies", did.copies))
    further = "".join(f", {count} {kind}" for kind, count in others if count)
    out.print(
        f"{did.new} new{further}, {did.unchanged} unchanged, {len(did.failed)} failed: {did.tokens:,} tokens "
        f"in {did.memories:,} memories ({megabytes(did.memory_bytes)} of weights), {result.seconds:.1f} s, {speed:,.0f} tokens/s",
        soft_wrap=True,
    )
    if did.failed:
        print_error("Not memorized:")
        for error in did.failed:
            print_error(f"  {error.path}: {error.reason}")


def print_plan(plan: Plan) -> None:
    """What an ingest would do, a line for each file that is not as memorized."""
    lines = [("new", source.name) for source in plan.new]
    lines += [("changed", source.name) for source in plan.changed]
    lines += [("moved", f"{before.name} → {source.name}") for before, source in plan.moved]
    lines += [("copy", source.name) for source, _ in plan.copies]
    lines += [("gone", document.name) for document in plan.gone]
    lines += [("unreadable", f"{error.path}: {error.reason}") for error in plan.failed]
    for kind, name in lines:
        out.print(Text(f"{kind:10} {where(name, None)}"), soft_wrap=True)
    counts = [("new", plan.new), ("changed", plan.changed), ("moved", plan.moved), ("copies", plan.copies), ("gone", plan.gone)]
    counted = ", ".join(f"{len(of)} {kind}" for kind, of in counts)
    out.print(f"{counted}, {len(plan.unchanged)} unchanged; nothing was memorized.", soft_wrap=True)


def print_status(status: Status) -> None:
    out.print(Text(f"{plain(str(status.home))}  snapshot {plain(status.snapshot.name)}, {status.snapshot.digest[:12]}"), soft_wrap=True)
    out.print(
        f"{len(status.documents)} documents, {status.tokens:,} tokens in {status.memories:,} memories, "
        f"{megabytes(status.bytes)} with gists" + (f" of {megabytes(status.budget)} allowed" if status.budget else ""),
        soft_wrap=True,
    )
    for failure in status.forgotten:
        out.print(Text(f"forgotten: {plain(failure.path)}: {plain(failure.reason)}", style="yellow"), soft_wrap=True)
    for failure in status.failures:
        out.print(Text(f"failed: {plain(failure.path)}: {plain(failure.reason)}", style="red"), soft_wrap=True)
    if status.failures:
        out.print("Try them again with: titans ingest --retry-failed")


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


def print_difference(difference: Difference) -> None:
    for sign, names in (("+", difference.came), ("-", difference.went), ("~", difference.changed)):
        for name in names:
            out.print(Text(f"{sign} {where(name, None)}"), soft_wrap=True)
    counts = f"{len(difference.came)} came, {len(difference.went)} went, {len(difference.changed)} changed"
    out.print(counts)


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

    def __enter__(self) -> IngestBar:
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
