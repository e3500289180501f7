from typing import Annotated

import typer

from titans_cli.commands.options import Home

app = typer.Typer(no_args_is_help=True, help="Name, list, bring back and delete states of the memory.")

Name = Annotated[str, typer.Argument(help="The snapshot's name.")]


@app.command("list")
def list_snapshots(home: Home = None) -> None:
    """List all snapshots; the one that questions are answered from has a star."""
    from titans_cli.render import print_snapshots
    from titans_cli.settings import home_folder
    from titans_cli.usecases import snapshots

    print_snapshots(snapshots.list_snapshots(home_folder(home)))


@app.command("create")
def create(name: Name, home: Home = None) -> None:
    """Give a name to what is memorized now."""
    from titans_cli.render import print_note
    from titans_cli.settings import home_folder
    from titans_cli.usecases import snapshots

    made = snapshots.create_snapshot(home_folder(home), name)
    print_note(f"Snapshot {made.name}, {made.digest[:12]}.")


@app.command("restore")
def restore(name: Name, home: Home = None) -> None:
    """Answer from a snapshot again; what is there now is kept as a snapshot."""
    from titans_cli.render import print_note
    from titans_cli.settings import home_folder
    from titans_cli.usecases import snapshots

    restored, before = snapshots.restore_snapshot(home_folder(home), name)
    print_note(f"Answering from {restored.name} now; what was there before is {before.name}.")


@app.command("delete")
def delete(name: Name, home: Home = None) -> None:
    """Delete a snapshot, and the memories that no other snapshot holds."""
    from titans_cli.render import megabytes, print_note
    from titans_cli.settings import home_folder
    from titans_cli.usecases import snapshots

    print_note(f"Deleted {name}; {megabytes(snapshots.delete_snapshot(home_folder(home), name))} freed.")


@app.command("diff")
def diff(
    name: Name, other: Annotated[str | None, typer.Argument(help="Another snapshot than the present one.")] = None, home: Home = None
) -> None:
    """Say which documents came, went and changed since a snapshot."""
    from titans_cli.render import print_difference
    from titans_cli.settings import home_folder
    from titans_cli.usecases import snapshots

    print_difference(snapshots.compare_snapshots(home_folder(home), name, other))
