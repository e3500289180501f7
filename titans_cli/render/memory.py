"""What is memorized, what an ingest did or would do, and snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from titans_cli.render import facts
from titans_cli.render.terminal import contract, megabytes, out, plain, print_error, print_note, some, where, words

if TYPE_CHECKING:
    from titans_cli.store import Snapshot
    from titans_cli.usecases.ingest import IngestResult
    from titans_cli.usecases.plan import Plan
    from titans_cli.usecases.snapshots import Difference, ListedSnapshot
    from titans_cli.usecases.status import Status


def page_list(pages: Sequence[int]) -> str:
    """Numbers of pages, the first ten."""
    return f"page{'s' * (len(pages) > 1)} {some(pages, 10)}"


@contract(facts.of_ingest)
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


@contract(facts.of_plan)
def print_plan(plan: Plan) -> None:
    """What an ingest would do, a line for each file that is not as memorized."""
    lines = [("new", source.name) for source in plan.new]
    lines += [("changed", source.name) for source in plan.changed]
    lines += [("moved", f"{before.name} → {source.name}") for before, source in plan.moved]
    lines += [("copy", source.name) for source, _ in plan.copies]
    lines += [("gone", document.name) for document in plan.gone]
    lines += [("unreadable", f"{error.path}: {error.reason}") for error in plan.failed]
    for kind, name in lines:
        out.print(Text(f"{kind:10} {where(name)}"), soft_wrap=True)
    counts = [("new", plan.new), ("changed", plan.changed), ("moved", plan.moved), ("copies", plan.copies), ("gone", plan.gone)]
    counted = ", ".join(f"{len(of)} {kind}" for kind, of in counts)
    out.print(f"{counted}, {len(plan.unchanged)} unchanged; nothing was memorized.", soft_wrap=True)


@contract(facts.of_status)
def print_status(status: Status) -> None:
    out.print(Text(f"{words(str(status.home))}  snapshot {words(status.snapshot.name)}, {status.snapshot.digest[:12]}"), soft_wrap=True)
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
    print_sources(status)


def print_sources(status: Status, part: str = "") -> None:
    """A line for each document; only of those whose name holds ``part``."""
    table = Table("document", "pages", "tokens", "memories", box=None, header_style="dim", pad_edge=False)
    for document in status.documents:
        if part.lower() not in document.name.lower():
            continue
        pages = str(document.pages) if document.pages else ""
        table.add_row(Text(where(document.name)), pages, f"{document.tokens:,}", f"{document.memories:,}")
    out.print(table)


@contract(facts.of_snapshots)
def print_snapshots(listed: Sequence[ListedSnapshot]) -> None:
    table = Table("", "name", "created", "documents", "tokens", "digest", box=None, header_style="dim", pad_edge=False)
    for row in listed:
        s: Snapshot = row.snapshot
        table.add_row("*" if row.head else "", Text(plain(s.name)), s.created, str(row.documents), f"{row.tokens:,}", s.digest[:12])
    out.print(table)


@contract(facts.of_difference)
def print_difference(difference: Difference) -> None:
    for sign, names in (("+", difference.came), ("-", difference.went), ("~", difference.changed)):
        for name in names:
            out.print(Text(f"{sign} {where(name)}"), soft_wrap=True)
    counts = f"{len(difference.came)} came, {len(difference.went)} went, {len(difference.changed)} changed"
    out.print(counts)
