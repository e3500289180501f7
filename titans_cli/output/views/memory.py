"""What is memorized, what an ingest did or would do, and snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.terminal import (
    bar,
    contract,
    counted,
    link,
    local,
    megabytes,
    mode,
    out,
    print_error,
    print_note,
    show,
    show_table,
    some,
    where,
    words,
)

if TYPE_CHECKING:
    from titans_cli.services.ingest.plan import Plan
    from titans_cli.services.ingest.run import IngestResult
    from titans_cli.services.snapshots import Difference, ListedSnapshot
    from titans_cli.services.status import Status
    from titans_cli.store import Failure, Snapshot


def page_list(pages: Sequence[int]) -> str:
    """Numbers of pages, the first ten."""
    return f"page{'s' * (len(pages) > 1)} {some(pages, 10)}"


BAR = 20
"""Characters of a bar."""
NARROW = 60
"""Columns of a terminal from which tables are shown with all that there is to say."""
LISTED = 10
"""Files of each kind of failure that status names."""
RETRY = "Look at them, then: titans ingest --retry-failed"
REMEDIES = {
    "encrypted": "Memorize them again on a terminal and give the password, or set TITANS_PDF_PASSWORD: titans ingest --retry-failed",
    "no text": "Recognise their text (OCR), then: titans ingest --retry-failed",
    "corrupt": "Get them anew or repair them, then: titans ingest --retry-failed",
    "limit": "Split them, and memorize the parts.",
    "timeout": "Split them, or try once more while the machine is idle: titans ingest --retry-failed",
    "empty": "There is nothing in them to be memorized.",
    "not text": "Turn them into text, PDF or HTML, and memorize that.",
    "missing": "Look where they are.",
}
"""What helps against each kind of failure."""


def roomy(width: int) -> bool:
    """Whether lines may have ``width`` characters."""
    return not out.is_terminal or out.width >= width


@contract(json_output.of_ingest)
def print_ingest(result: IngestResult) -> None:
    """What there is to say of the files, and then what was done; with --quiet only what went wrong."""
    did = result.did
    print_notes(result)
    if result.interrupted:
        print_error("Interrupted. What was finished is kept; run the same command again for the rest.")
    if not mode.quiet:
        speed = did.tokens / result.seconds if result.seconds else 0
        others = (("changed", did.changed), ("moved", did.moved), ("copies", did.copies))
        further = "".join(f", {count} {kind}" for kind, count in others if count)
        files = f"{did.new} new{further}, {did.unchanged} unchanged, {len(did.failed)} failed"
        held = f"{counted(did.tokens, 'token')} in {counted(did.memories, 'memory')} ({megabytes(did.memory_bytes)} of weights)"
        show(Text(f"{files}: {held}, {result.seconds:.1f} s, {speed:,.0f} tokens/s"))
    if did.failed:
        print_error("Not memorized:")
        for error in did.failed:
            print_error(f"  {words(str(error.path))}: {words(error.reason)}")


def print_notes(result: IngestResult) -> None:
    """What is worth knowing of files that were read, and of documents that went."""
    did = result.did
    for document, encoding in did.encodings:
        print_note(f"{words(document)}: read as {encoding}; choose another with --encoding")
    for document, pages in did.without_text:
        print_note(f"{words(document)}: no text on {page_list(pages)}; if scanned, recognise the text (OCR) first")
    for document, unread in did.unread_pages:
        for reason in dict.fromkeys(reason for _, reason in unread):
            print_note(f"{words(document)}: {page_list([number for number, why in unread if why == reason])} not read: {words(reason)}")
    if did.forgotten:
        names = some([words(document.name) for document in did.forgotten])
        print_note(f"Forgot {counted(len(did.forgotten), 'document')} to keep within the budget ({names}); see titans status.")
    if did.left_out:
        passed = counted(did.left_out, "file")
        print_note(f"{passed} passed over that had been forgotten for want of room before. Allow more with --budget.")
    if did.gone:
        names = some([words(document.name) for document in did.gone])
        what = "taken out" if result.pruned else "still memorized; take them out with --prune-missing"
        print_note(f"{counted(len(did.gone), 'document')} without a file any more ({names}): {what}")


@contract(json_output.of_plan)
def print_plan(plan: Plan) -> None:
    """What an ingest would do, a line for each file that is not as memorized."""
    lines = [("new", source.name) for source in plan.new]
    lines += [("changed", source.name) for source in plan.changed]
    lines += [("moved", f"{before.name} → {source.name}") for before, source in plan.moved]
    lines += [("copy", source.name) for source, _ in plan.copies]
    lines += [("gone", document.name) for document in plan.gone]
    lines += [("unreadable", f"{error.path}: {error.reason}") for error in plan.failed]
    for kind, name in lines:
        show(Text(f"{kind:10} {where(name)}"))
    counts = [("new", plan.new), ("changed", plan.changed), ("moved", plan.moved), ("copies", plan.copies), ("gone", plan.gone)]
    told = ", ".join(f"{len(of)} {kind}" for kind, of in counts)
    show(Text(f"{told}, {len(plan.unchanged)} unchanged; nothing was memorized."))


@contract(json_output.of_status)
def print_status(status: Status) -> None:
    """How much is memorized and what it takes, what failed and what to do about it, and the documents."""
    head = f"{words(str(status.home))} · snapshot {words(status.snapshot.name)} · {status.snapshot.digest[:12]}"
    show(Text(head, style="dim"))
    tokens, memories = max(1, status.tokens), max(1, status.memories)
    held = f"{counted(status.tokens, 'token')} in {counted(status.memories, 'memory')}"
    show(Text(f"{counted(len(status.documents), 'document')}, {held}, {status.tokens / memories:.0f} tokens a memory", style="bold"))
    weights, gists = status.weight_bytes, status.bytes - status.weight_bytes
    parts = f"{megabytes(weights)} memory weights ({weights / tokens:.1f} bytes a token), {megabytes(gists)} gists ({gists / tokens:.1f})"
    show(Text.assemble((bar(weights / max(1, status.bytes), BAR), "cyan"), f" {megabytes(status.bytes)}: {parts}"))
    if status.budget:
        share = status.bytes / status.budget
        room = f" {share:.0%} of the {megabytes(status.budget)} that it may take"
        show(Text.assemble((bar(share, BAR), "yellow" if share > 0.9 else "cyan"), room))
    print_failures(status)
    print_sources(status)


def print_failures(status: Status) -> None:
    """Files that are not in memory, by what keeps them out, each with what to do."""
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
        names = some([words(failure.path) for failure in status.forgotten])
        show(
            Text(
                f"{len(status.forgotten)} forgotten to keep within the budget ({names}). Allow more: titans ingest --budget", style="yellow"
            )
        )


def print_sources(status: Status, part: str = "") -> None:
    """A line for each document; only of those whose name holds ``part``. Where names are equal, what tells them apart."""
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
        print_note(f"No document is called like {part!r}.")


@contract(json_output.of_snapshots)
def print_snapshots(listed: Sequence[ListedSnapshot]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    table.add_column("name", overflow="fold")
    headings = ["created"]
    headings += ["documents", "tokens"] if roomy(NARROW) else []
    headings += ["digest"] if roomy(70) else []
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right" if heading in ("documents", "tokens") else "left")
    for row in listed:
        s: Snapshot = row.snapshot
        cells = [
            "*" if row.head else "",
            Text(words(s.name)),
            local(s.created),
            str(row.documents),
            f"{row.tokens:,}",
            s.digest[:12],
        ]
        table.add_row(*cells[: len(headings) + 2])
    show_table(table)


@contract(json_output.of_difference)
def print_difference(difference: Difference) -> None:
    for sign, names in (("+", difference.came), ("-", difference.went), ("~", difference.changed)):
        for name in names:
            show(Text(f"{sign} {where(name)}"))
    counts = f"{len(difference.came)} came, {len(difference.went)} went, {len(difference.changed)} changed"
    out.print(counts)
