"""Shows what an ingest did, or would do with --dry-run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.sanitize import words
from titans_cli.output.terminal import contract, counted, megabytes, mode, print_error, print_note, show, some, where

if TYPE_CHECKING:
    from titans_cli.services.ingest.plan import Plan
    from titans_cli.services.ingest.result import IngestResult


def page_list(pages: Sequence[int]) -> str:
    """The page numbers, at most ten."""
    return f"page{'s' * (len(pages) > 1)} {some(pages, 10)}"


@contract(json_output.of_ingest)
def print_ingest(result: IngestResult) -> None:
    """Print notes on files and what was done; with --quiet only errors."""
    did = result.did
    print_notes(result)
    if result.interrupted:
        print_error("Interrupted. Finished documents are kept. Run the same command again to continue.")
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
    """Print notes on files that were read, and on documents that were forgotten or whose files are gone."""
    did = result.did
    for document, encoding in did.encodings:
        print_note(f"{words(document)}: read as {encoding}. If that is wrong, give its --encoding.")
    for document, pages in did.without_text:
        print_note(f"{words(document)}: no text on {page_list(pages)}. If scanned, run OCR first.")
    for document, unread in did.unread_pages:
        for reason in dict.fromkeys(reason for _, reason in unread):
            print_note(f"{words(document)}: {page_list([number for number, why in unread if why == reason])} not read: {words(reason)}")
    if did.forgotten:
        names = some([words(document.name) for document in did.forgotten])
        print_note(f"Forgot {counted(len(did.forgotten), 'document')} to stay within the budget ({names}). See: titans status")
    if did.left_out:
        passed = counted(did.left_out, "file")
        print_note(f"Skipped {passed}, forgotten earlier to stay within the budget. Raise it: titans ingest FOLDER --budget SIZE")
    if did.gone:
        names = some([words(document.name) for document in did.gone])
        if result.pruned:
            print_note(f"Removed {names} ({'file' if len(did.gone) == 1 else 'files'} deleted).")
        else:
            print_note(f"Still memorized, although deleted: {names}. Remove with: titans ingest FOLDER --prune-missing")


@contract(json_output.of_plan)
def print_plan(plan: Plan) -> None:
    """Print what an ingest would do: a line for each file that differs from what is memorized."""
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
