"""``titans watch``."""

from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, command
from titans_cli.errors import UsageError
from titans_cli.models import Models
from titans_cli.output import print_ingest, print_note
from titans_cli.settings import home_folder


@command("titans watch ./notes", "titans watch ./notes --exclude drafts")
def watch(
    folders: Annotated[list[Path], typer.Argument(readable=False, help="Folders to watch.")],
    include: Annotated[list[str] | None, typer.Option("--include", help="Only files that match this pattern.")] = None,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", help="Skip files and folders that match this pattern.")] = None,
    device: Device = None,
    home: Home = None,
) -> None:
    """Watch folders: memorize new and changed files, forget deleted ones. Stop with Ctrl-C."""
    from titans_cli.services.ingest.watch import watch as run

    missing = [folder for folder in folders if not folder.is_dir()]
    if missing:
        raise UsageError(f"{missing[0]} is not a folder. Name folders to watch.")
    print_note(f"Watching {', '.join(map(str, folders))}. Stop with Ctrl-C.")
    for result in run(home_folder(home), Models(device=device), folders, include or (), exclude or ()):
        print_ingest(result)
        if result.interrupted:
            break
