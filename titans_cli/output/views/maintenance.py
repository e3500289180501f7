"""What was forgotten and pruned, and what is wrong with a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from titans_cli.output import json_output
from titans_cli.output.terminal import contract, counted, megabytes, print_error, print_note, say, some
from titans_cli.shell import ingest_again

if TYPE_CHECKING:
    from titans_cli.services.maintenance import Forgotten, Problem, Pruned


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
        say(f"Taken out, as its shard is damaged: {path}. Memorize it again: {ingest_again([path])}")
    for problem in problems:
        say(f"{problem.what}\n  {problem.remedy}")
    if not problems:
        say("Nothing is wrong.")
