"""What commands did that keep, move and mend memories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from titans_cli.output import json_output
from titans_cli.output.terminal import contract, counted, megabytes, print_error, print_note, say, some

if TYPE_CHECKING:
    from titans_cli.services.maintenance import Forgotten, Problem, Pruned
    from titans_cli.services.migrate import Migration
    from titans_cli.store import Snapshot


@contract(json_output.of_created)
def print_created(made: Snapshot) -> None:
    say(f"Snapshot {made.name}, {made.digest[:12]}.")


@contract(json_output.of_restored)
def print_restored(restored: Snapshot, before: Snapshot) -> None:
    say(f"Answering from {restored.name} now; what was there before is {before.name}.")


@contract(json_output.of_restored)
def print_undone(restored: Snapshot, before: Snapshot) -> None:
    say(f"Answering from {restored.name} again. Take that back with: titans snapshot restore {before.name}")


@contract(json_output.of_deleted)
def print_deleted(name: str, freed: int) -> None:
    say(f"Deleted {name}; {megabytes(freed)} freed.")


@contract(json_output.of_forgotten)
def print_forgotten(result: Forgotten) -> None:
    names = some([d.name for d in result.documents], 20)
    if result.dry_run:
        say(f"Would forget {names}; {megabytes(result.freed)}.")
        return
    say(f"Forgot {names}; {megabytes(result.freed)} freed.")
    if result.still_in:
        print_note(f"Still in {some([s.name for s in result.still_in])}: titans forget --everywhere takes it out of snapshots too.")


@contract(json_output.of_pruned)
def print_pruned(done: Pruned, dry_run: bool) -> None:
    names = f" ({some(done.snapshots)})" if done.snapshots else ""
    would = "Would delete" if dry_run else "Deleted"
    say(f"{would} {counted(len(done.snapshots), 'snapshot')}{names} and {counted(done.files, 'file')}; {megabytes(done.freed)}.")


@contract(json_output.of_check)
def print_check(problems: Sequence[Problem], recited: int, wrong: int) -> None:
    """``wrong`` of ``recited`` memories were not recited word for word."""
    for problem in problems:
        print_error(problem.what)
    if any(not problem.harmless for problem in problems):
        print_error("Mend it with: titans doctor")
        return
    if recited:
        say(f"{recited - wrong} of {recited} memories recited word for word.")
    if not wrong:
        say("The store is sound.")


@contract(json_output.of_diagnosis)
def print_diagnosis(problems: Sequence[Problem], mended: Sequence[str]) -> None:
    for path in mended:
        say(f"Taken out, as its shard is damaged: {path}. Memorize it again: titans ingest '{path}'")
    for problem in problems:
        say(f"{problem.what}\n  {problem.remedy}")
    if not problems:
        say("Nothing is wrong.")


@contract(json_output.of_migrated)
def print_migrated(done: Migration | None) -> None:
    if done is None:
        say("The store is up to date.")
        return
    written = counted(done.documents, "document")
    say(f"{written} written anew. The old memories are the snapshot {done.before.name}; delete it when all is well.")
    for error in done.failed:
        print_error(f"  {error.path}: {error.reason}")


@contract(json_output.of_exported)
def print_exported(made: Snapshot, size: int, target: Path) -> None:
    say(f"Exported {made.name}, {made.digest[:12]}, {megabytes(size)}.")


@contract(json_output.of_imported)
def print_imported(head: Snapshot) -> None:
    say(f"Imported. Answering from {head.name} now, {head.digest[:12]}.")


@contract(json_output.of_exported)
def print_merged(made: Snapshot, size: int, target: Path) -> None:
    say(f"Merged into {target}, {made.digest[:12]}, {megabytes(size)}.")
