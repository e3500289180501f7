"""Shows the name of a note that was saved."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from titans_cli.output import json_output
from titans_cli.output.terminal import contract, print_note

if TYPE_CHECKING:
    from titans_cli.services.ingest.remember import Remembered


@contract(json_output.of_remembered)
def print_remembered(result: Remembered) -> None:
    print_note(f"Memorized as {result.document.name}.")
    print_note(f"To undo: titans forget {shlex.quote(result.document.name)}")
