import sys
from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Home


def forget(
    documents: Annotated[list[str], typer.Argument(help="Names as titans status shows them, paths, or parts of a name that only one has.")],
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Out of all snapshots, and so off the disk.")] = False,
    home: Home = None,
) -> None:
    """Forget documents: their memory weights and gists go, all others stay as they are, byte for byte.

    titans forget draft.pdf --everywhere
    """
    from titans_cli.render import megabytes, print_note
    from titans_cli.settings import home_folder
    from titans_cli.usecases.care import forget as run
    from titans_cli.usecases.care import forget_everywhere

    folder = home_folder(home)
    result = run(folder, documents, everywhere)
    if result.still_in and sys.stdin.isatty():
        names = ", ".join(snapshot.name for snapshot in result.still_in)
        if typer.confirm(f"Older snapshots hold it still ({names}). Take it out of them too?", err=True):
            result = forget_everywhere(folder, result)
    print_note(f"Forgot {', '.join(d.name for d in result.documents)}; {megabytes(result.freed)} freed.")
    if result.still_in:
        print_note(f"Still in {', '.join(s.name for s in result.still_in)}: titans forget --everywhere takes it out of snapshots too.")


def prune(
    keep: Annotated[int, typer.Option("--keep", min=0, help="Automatic snapshots that stay.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    home: Home = None,
) -> None:
    """Delete old automatic snapshots, what only they hold, and what killed runs left.

    titans prune --dry-run
    """
    from titans_cli.render import megabytes, print_note, some
    from titans_cli.settings import home_folder
    from titans_cli.usecases.care import prune as run

    done = run(home_folder(home), keep, dry_run)
    names = f" ({some(done.snapshots)})" if done.snapshots else ""
    would = "Would delete" if dry_run else "Deleted"
    print_note(f"{would} {len(done.snapshots)} snapshots{names} and {done.files} files; {megabytes(done.freed)}.")


def check(
    read_data: Annotated[bool, typer.Option("--read-data", help="Read every shard, and recite a sample of memories.")] = False,
    sample: Annotated[int, typer.Option("--sample", min=0, help="Memories to recite with --read-data.")] = 64,
    home: Home = None,
) -> None:
    """Say whether the store is sound; the exit code is 12 when it is not.

    titans check --read-data
    """
    from titans_cli.errors import DamagedError
    from titans_cli.models import Models
    from titans_cli.render import print_error, print_note
    from titans_cli.settings import home_folder
    from titans_cli.usecases.care import check as run
    from titans_cli.usecases.care import sample_recitations

    folder = home_folder(home)
    problems = run(folder, read_data)
    for problem in problems:
        print_error(problem.what)
    if any(not problem.harmless for problem in problems):
        print_error("Mend it with: titans doctor")
        raise typer.Exit(DamagedError.exit_code)
    if read_data:
        recited, wrong = sample_recitations(folder, Models(), sample)
        print_note(f"{recited - wrong} of {recited} memories recited word for word.")
        if wrong:
            raise typer.Exit(DamagedError.exit_code)
    print_note("The store is sound.")


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Take out what is damaged, so that it can be memorized again.")] = False,
    home: Home = None,
) -> None:
    """Say what is wrong with the store and which command mends it.

    titans doctor
    """
    from titans_cli.models import Models
    from titans_cli.render import print_note
    from titans_cli.settings import home_folder
    from titans_cli.usecases.care import diagnose, mend

    folder = home_folder(home)
    if fix:
        for path in mend(folder):
            print_note(f"Taken out, as its shard is damaged: {path}. Memorize it again: titans ingest '{path}'")
    problems = diagnose(folder, Models().fingerprint)
    for problem in problems:
        print_note(f"{problem.what}\n  {problem.remedy}")
    if not problems:
        print_note("Nothing is wrong.")


def migrate(
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Folder model/weights of the older titans that wrote the memories.", exists=True)
    ] = None,
    home: Home = None,
) -> None:
    """Bring a store of an older titans up to date; with other model weights: recite with the old, write with these.

    titans migrate --weights old/model/weights
    """
    from titans_cli.errors import PARTLY_FAILED, UsageError
    from titans_cli.models import Models
    from titans_cli.render import IngestBar, print_error, print_note
    from titans_cli.settings import home_folder
    from titans_cli.store import Store
    from titans_cli.usecases.migrate import migrate as run

    folder, new = home_folder(home), Models()
    with Store.open(folder) as store:  # this brings the index up to date
        written_by = store.require_head().fingerprint
    if written_by == new.fingerprint:
        print_note("The store is up to date.")
        return
    if weights is None:
        raise UsageError("Other model weights wrote these memories. Name the folder where they are: titans migrate --weights FOLDER")
    with IngestBar() as bar:
        done = run(folder, Models(weights), new, bar)
    print_note(
        f"{done.documents} documents written anew. The old memories are the snapshot {done.before.name}; delete it when all is well."
    )
    for error in done.failed:
        print_error(f"  {error.path}: {error.reason}")
    if done.failed:
        raise typer.Exit(PARTLY_FAILED)
