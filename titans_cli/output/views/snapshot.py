"""Shows snapshots that were listed, created, restored, deleted or compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.sanitize import words
from titans_cli.output.terminal import NARROW, contract, local, megabytes, out, roomy, say, show, show_table, where

if TYPE_CHECKING:
    from titans_cli.services.snapshots import Difference, ListedSnapshot
    from titans_cli.store import Snapshot


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


@contract(json_output.of_created)
def print_created(made: Snapshot) -> None:
    say(f"Created snapshot {made.name} ({made.digest[:12]}).")


@contract(json_output.of_restored)
def print_restored(restored: Snapshot, before: Snapshot) -> None:
    say(f"Restored snapshot {restored.name}. The state before is kept as {before.name}.")


@contract(json_output.of_restored)
def print_undone(restored: Snapshot, before: Snapshot) -> None:
    say(f"Undone: restored snapshot {restored.name}. To redo: titans snapshot restore {before.name}")


@contract(json_output.of_deleted)
def print_deleted(name: str, freed: int) -> None:
    say(f"Deleted snapshot {name}. Freed {megabytes(freed)}.")


@contract(json_output.of_difference)
def print_difference(difference: Difference) -> None:
    for sign, names in (("+", difference.came), ("-", difference.went), ("~", difference.changed)):
        for name in names:
            show(Text(f"{sign} {where(name)}"))
    counts = f"{len(difference.came)} added, {len(difference.went)} removed, {len(difference.changed)} changed"
    out.print(counts)
