"""``titans snapshot``."""

from typing import Annotated

import typer

from titans_cli.commands.completion import complete_snapshots
from titans_cli.commands.options import Home, command, register
from titans_cli.output import print_created, print_deleted, print_difference, print_restored, print_snapshots
from titans_cli.services import snapshots
from titans_cli.settings import home_folder

Name = Annotated[str, typer.Argument(help="The snapshot's name.", autocompletion=complete_snapshots)]
NewName = Annotated[str, typer.Argument(help="Name of the new snapshot.")]
Other = Annotated[str | None, typer.Argument(help="Snapshot to compare with. Default: the current one.", autocompletion=complete_snapshots)]


@command("titans snapshot list")
def list_snapshots(home: Home = None) -> None:
    """List all snapshots. A star marks the current one, from which questions are answered."""
    print_snapshots(snapshots.list_snapshots(home_folder(home)))


@command("titans snapshot create before-the-move")
def create(name: NewName, home: Home = None) -> None:
    """Create a snapshot of what is memorized now."""
    print_created(snapshots.create_snapshot(home_folder(home), name))


@command("titans snapshot restore before-the-move")
def restore(name: Name, home: Home = None) -> None:
    """Restore a snapshot. The state before is kept as a snapshot too."""
    print_restored(*snapshots.restore_snapshot(home_folder(home), name))


@command("titans snapshot delete auto-3")
def delete(name: Name, home: Home = None) -> None:
    """Delete a snapshot and the memories that no other snapshot holds."""
    print_deleted(name, snapshots.delete_snapshot(home_folder(home), name))


@command("titans snapshot diff auto-3", "titans snapshot diff auto-3 auto-5")
def diff(name: Name, other: Other = None, home: Home = None) -> None:
    """Show which documents were added, removed or changed since a snapshot."""
    print_difference(snapshots.compare_snapshots(home_folder(home), name, other))


snapshot = typer.Typer(
    name="snapshot",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="List, create, restore, delete and compare snapshots of the memory.",
)
for name, function in {"list": list_snapshots, "create": create, "restore": restore, "delete": delete, "diff": diff}.items():
    register(snapshot, name, function)
