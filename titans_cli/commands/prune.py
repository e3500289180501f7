"""``titans prune``."""

from typing import Annotated

import typer

from titans_cli.commands.options import Home, command
from titans_cli.output import print_pruned
from titans_cli.services.maintenance import prune as run
from titans_cli.settings import home_folder


@command("titans prune --dry-run", "titans prune --keep 3")
def prune(
    keep: Annotated[int, typer.Option("--keep", min=0, help="Automatic snapshots that stay.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    home: Home = None,
) -> None:
    """Delete old automatic snapshots, what only they hold, and what killed runs left."""
    print_pruned(run(home_folder(home), keep, dry_run), dry_run)
