"""``titans forget``."""

import sys
from typing import Annotated

import typer

from titans_cli.commands.completion import complete_documents
from titans_cli.commands.options import Home, command
from titans_cli.output import mode, print_forgotten, words
from titans_cli.services.maintenance import forget as run
from titans_cli.services.maintenance import forget_everywhere, would_forget
from titans_cli.settings import home_folder


@command("titans forget draft.pdf", "titans forget draft.pdf notes.txt --everywhere", "titans forget draft.pdf --dry-run")
def forget(
    documents: Annotated[
        list[str],
        typer.Argument(
            help="Names as titans status shows them, paths, or parts of a name that only one has.", autocompletion=complete_documents
        ),
    ],
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Out of all snapshots, and so off the disk.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be forgotten.")] = False,
    home: Home = None,
) -> None:
    """Forget documents: their memory weights and sentence vectors go, all others stay as they are, byte for byte."""
    folder = home_folder(home)
    if dry_run:
        print_forgotten(would_forget(folder, documents, everywhere))
        return
    result = run(folder, documents, everywhere)
    if result.still_in and sys.stdin.isatty() and not mode.json:
        names = words(", ".join(snapshot.name for snapshot in result.still_in))
        if typer.confirm(f"Older snapshots hold it still ({names}). Take it out of them too?", err=True):
            result = forget_everywhere(folder, result)
    print_forgotten(result)
