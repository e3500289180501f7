"""Shows what is memorized, how much space it takes, and which files failed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.sanitize import words
from titans_cli.output.terminal import (
    NARROW,
    bar,
    contract,
    counted,
    link,
    megabytes,
    out,
    print_note,
    roomy,
    show,
    show_table,
    some,
    where,
)

if TYPE_CHECKING:
    from titans_cli.services.status import Status
    from titans_cli.store import Failure

BAR = 20
"""Characters of a bar."""
LISTED = 10
"""Most files that are listed for each kind of failure."""
RETRY = "Check them, then run: titans ingest --retry-failed"
REMEDIES = {
    "encrypted": "Set TITANS_PDF_PASSWORD, or enter the password on a terminal: titans ingest --retry-failed",
    "no text": "Run OCR on them, then run: titans ingest --retry-failed",
    "corrupt": "Repair or replace them, then run: titans ingest --retry-failed",
    "limit": "Split them and memorize the parts.",
    "timeout": "Split them, or retry when the machine is idle: titans ingest --retry-failed",
    "empty": "They contain nothing to memorize.",
    "not text": "Convert them to text, PDF or HTML and memorize the result.",
    "missing": "Check their paths.",
}
"""The remedy for each kind of failure."""


@contract(json_output.of_status)
def print_status(status: Status) -> None:
    """Print how much is memorized, its size, what failed and what to do about it, and the documents."""
    head = f"{words(str(status.home))} · snapshot {words(status.snapshot.name)} · {status.snapshot.digest[:12]}"
    show(Text(head, style="dim"))
    tokens, memories = max(1, status.tokens), max(1, status.memories)
    held = f"{counted(status.tokens, 'token')} in {counted(status.memories, 'memory')}"
    show(Text(f"{counted(len(status.documents), 'document')}, {held}, {status.tokens / memories:.0f} tokens per memory", style="bold"))
    weights, vectors = status.weight_bytes, status.bytes - status.weight_bytes
    parts = f"{megabytes(weights)} memory weights ({weights / tokens:.1f} bytes per token), "
    parts += f"{megabytes(vectors)} sentence vectors ({vectors / tokens:.1f})"
    show(Text.assemble((bar(weights / max(1, status.bytes), BAR), "cyan"), f" {megabytes(status.bytes)}: {parts}"))
    if status.budget:
        share = status.bytes / status.budget
        room = f" {share:.0%} of the budget of {megabytes(status.budget)}"
        show(Text.assemble((bar(share, BAR), "yellow" if share > 0.9 else "cyan"), room))
    print_failures(status)
    print_documents(status)


def print_failures(status: Status) -> None:
    """Print the files that failed, by reason, each reason with a remedy."""
    kinds: dict[str, list[Failure]] = {}
    for failure in status.failures:
        kinds.setdefault(failure.kind, []).append(failure)
    for kind, failures in kinds.items():
        out.print()
        show(Text(f"{len(failures)} not memorized ({kind}). {REMEDIES.get(kind, RETRY)}", style="red"))
        for failure in failures[:LISTED]:
            show(Text(f"{words(failure.path)}: {words(failure.reason)}", style="dim"), indent=2)
        if len(failures) > LISTED:
            show(Text(f"… and {len(failures) - LISTED} more: titans status --json", style="dim"), indent=2)
    if status.forgotten:
        out.print()
        files = counted(len(status.forgotten), "file")
        names = some([words(failure.path) for failure in status.forgotten])
        show(Text(f"Forgot {files} to stay within the budget ({names}). Raise it: titans ingest FOLDER --budget SIZE", style="yellow"))


def print_documents(status: Status, part: str = "") -> None:
    """Print a line for each document whose name contains ``part``. Equal names get a part of the SHA-256."""
    shown = [document for document in status.documents if part.lower() in document.name.lower()]
    times = Counter(document.name for document in status.documents)
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("document", overflow="fold")
    headings = ("pages", "tokens", "memories") if roomy(NARROW) else ("tokens",)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for document in shown:
        name = Text(where(document.name), style="" if document.imported else link(document.path))
        name.append(f"@{document.source_sha256[:8]}" if times[document.name] > 1 else "", style="dim")
        name.append(" · imported" if document.imported else "", style="magenta")
        facts_of = {"pages": str(document.pages or ""), "tokens": f"{document.tokens:,}", "memories": f"{document.memories:,}"}
        table.add_row(name, *(facts_of[heading] for heading in headings))
    if shown:
        out.print()
        show_table(table)
    elif part:
        print_note(f"No document matches {part!r}.")
