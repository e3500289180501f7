"""``titans prune``."""

from typing import Annotated

import typer

from titans_cli.commands.options import Home, command
from titans_cli.output import print_pruned
from titans_cli.services.maintenance import prune as run
from titans_cli.settings import home_folder


@command("titans prune --dry-run", "titans prune --keep 3")
def prune(
    keep: Annotated[int, typer.Option("--keep", min=0, help="Number of automatic snapshots to keep.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted; change nothing.")] = False,
    home: Home = None,
) -> None:
    """Delete old automatic snapshots, the memories that only they hold, and files left by killed runs."""
    print_pruned(run(home_folder(home), keep, dry_run), dry_run)
