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
            help="Names as shown by titans status, paths, or a part of a name that matches only one.", autocompletion=complete_documents
        ),
    ],
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Also remove them from all snapshots, and so from the disk.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be forgotten; change nothing.")] = False,
    home: Home = None,
) -> None:
    """Forget documents: remove their memory weights and sentence vectors. All others stay the same, byte for byte."""
    folder = home_folder(home)
    if dry_run:
        print_forgotten(would_forget(folder, documents, everywhere))
        return
    result = run(folder, documents, everywhere)
    if result.still_in and sys.stdin.isatty() and not mode.json:
        names = words(", ".join(snapshot.name for snapshot in result.still_in))
        what = "it" if len(result.documents) == 1 else "them"
        if typer.confirm(f"Older snapshots still hold {what} ({names}). Remove {what} there too?", err=True):
            result = forget_everywhere(folder, result)
    print_forgotten(result)
