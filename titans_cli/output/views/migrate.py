"""Shows the result of a migration to new model weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from titans_cli.output import json_output
from titans_cli.output.terminal import contract, counted, print_error, say

if TYPE_CHECKING:
    from titans_cli.services.migrate import Migration


@contract(json_output.of_migrated)
def print_migrated(done: Migration | None) -> None:
    if done is None:
        say("The store is up to date.")
        return
    written = counted(done.documents, "document")
    say(f"Migrated {written}. The old memories are kept as snapshot {done.before.name}; delete it when you no longer need it.")
    for error in done.failed:
        print_error(f"  {error.path}: {error.reason}")
