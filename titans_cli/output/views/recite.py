"""Shows recited text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.sanitize import plain
from titans_cli.output.terminal import contract, err, mode, show
from titans_cli.output.views.ask import source_line

if TYPE_CHECKING:
    from titans_cli.services.recite import Continuation


@contract(json_output.of_continuation)
def print_continuation(continuation: Continuation) -> None:
    show(Text(plain(continuation.text)))
    if not mode.quiet:
        show(source_line(continuation), console=err)
