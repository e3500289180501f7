"""Shows what was forgotten or pruned, and what is wrong with a store."""

from __future__ import annotations

import shlex
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
        say(f"Would forget {names} and free {megabytes(result.freed)}.")
        return
    say(f"Forgot {names}. Freed {megabytes(result.freed)}.")
    if result.still_in:
        held = f"{'snapshot' if len(result.still_in) == 1 else 'snapshots'} {some([s.name for s in result.still_in])}"
        again = shlex.join(document.name for document in result.documents)
        print_note(f"Still in {held}. To remove it there too: titans forget {again} --everywhere")


@contract(json_output.of_pruned)
def print_pruned(done: Pruned, dry_run: bool) -> None:
    names = f" ({some(done.snapshots)})" if done.snapshots else ""
    deleted = f"{counted(len(done.snapshots), 'snapshot')}{names} and {counted(done.files, 'file')}"
    freed = megabytes(done.freed)
    say(f"Would delete {deleted} and free {freed}." if dry_run else f"Deleted {deleted}. Freed {freed}.")


@contract(json_output.of_check)
def print_check(problems: Sequence[Problem], recited: int, wrong: int) -> None:
    """``wrong`` of ``recited`` memories were not recited word for word."""
    for problem in problems:
        print_error(problem.what)
    if any(not problem.harmless for problem in problems):
        print_error("See how to repair it: titans doctor")
        return
    if recited:
        say(f"{recited - wrong} of {recited} memories recited word for word.")
    if not wrong:
        say("No problems found.")


@contract(json_output.of_diagnosis)
def print_diagnosis(problems: Sequence[Problem], mended: Sequence[str]) -> None:
    for path in mended:
        say(f"Removed {path}: its shard is damaged. Memorize it again: {ingest_again([path])}")
    for problem in problems:
        say(f"{problem.what}\n  {problem.remedy}")
    if not problems:
        say("No problems found.")
