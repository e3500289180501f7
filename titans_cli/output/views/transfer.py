"""Shows what was exported, imported or merged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from titans_cli.output import json_output
from titans_cli.output.terminal import contract, megabytes, say

if TYPE_CHECKING:
    from titans_cli.store import Snapshot


@contract(json_output.of_exported)
def print_exported(made: Snapshot, size: int, target: Path) -> None:
    say(f"Exported snapshot {made.name} ({made.digest[:12]}, {megabytes(size)}).")


@contract(json_output.of_imported)
def print_imported(head: Snapshot) -> None:
    say(f"Imported. The current snapshot is {head.name} ({head.digest[:12]}).")


@contract(json_output.of_exported)
def print_merged(made: Snapshot, size: int, target: Path) -> None:
    say(f"Merged into {target} ({made.digest[:12]}, {megabytes(size)}).")
