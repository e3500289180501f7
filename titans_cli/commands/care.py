import sys
from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.completion import complete_documents
from titans_cli.commands.options import Home, command


@command("titans forget draft.pdf", "titans forget draft.pdf notes.txt --everywhere")
def forget(
    documents: Annotated[
        list[str],
        typer.Argument(
            help="Names as titans status shows them, paths, or parts of a name that only one has.", autocompletion=complete_documents
        ),
    ],
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Out of all snapshots, and so off the disk.")] = False,
    home: Home = None,
) -> None:
    """Forget documents: their memory weights and gists go, all others stay as they are, byte for byte."""
    from titans_cli.output import mode, print_forgotten, words
    from titans_cli.services.maintenance import forget as run
    from titans_cli.services.maintenance import forget_everywhere
    from titans_cli.settings import home_folder

    folder = home_folder(home)
    result = run(folder, documents, everywhere)
    if result.still_in and sys.stdin.isatty() and not mode.json:
        names = words(", ".join(snapshot.name for snapshot in result.still_in))
        if typer.confirm(f"Older snapshots hold it still ({names}). Take it out of them too?", err=True):
            result = forget_everywhere(folder, result)
    print_forgotten(result)


@command("titans prune --dry-run", "titans prune --keep 3")
def prune(
    keep: Annotated[int, typer.Option("--keep", min=0, help="Automatic snapshots that stay.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    home: Home = None,
) -> None:
    """Delete old automatic snapshots, what only they hold, and what killed runs left."""
    from titans_cli.output import print_pruned
    from titans_cli.services.maintenance import prune as run
    from titans_cli.settings import home_folder

    print_pruned(run(home_folder(home), keep, dry_run), dry_run)


@command("titans check", "titans check --read-data --sample 500")
def check(
    read_data: Annotated[bool, typer.Option("--read-data", help="Read every shard, and recite a sample of memories.")] = False,
    sample: Annotated[int, typer.Option("--sample", min=0, help="Memories to recite with --read-data.")] = 64,
    home: Home = None,
) -> None:
    """Say whether the store is sound; the exit code is 12 when it is not."""
    from titans_cli.errors import DamagedError
    from titans_cli.models import Models
    from titans_cli.output import print_check
    from titans_cli.services.maintenance import check as run
    from titans_cli.services.maintenance import sample_recitations
    from titans_cli.settings import home_folder

    folder = home_folder(home)
    problems = run(folder, read_data)
    broken = any(not problem.harmless for problem in problems)
    recited, wrong = sample_recitations(folder, Models(), sample) if read_data and not broken else (0, 0)
    print_check(problems, recited, wrong)
    if broken or wrong:
        raise typer.Exit(DamagedError.exit_code)


@command("titans doctor", "titans doctor --fix")
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Take out what is damaged, so that it can be memorized again.")] = False,
    home: Home = None,
) -> None:
    """Say what is wrong with the store and which command mends it."""
    from titans_cli.models import Models
    from titans_cli.output import print_diagnosis
    from titans_cli.services.maintenance import diagnose, mend
    from titans_cli.settings import home_folder

    folder = home_folder(home)
    mended = mend(folder) if fix else []
    print_diagnosis(diagnose(folder, Models().fingerprint), mended)


@command("titans migrate", "titans migrate --weights old/model/weights")
def migrate(
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Folder model/weights of the older titans that wrote the memories.", exists=True)
    ] = None,
    home: Home = None,
) -> None:
    """Bring a store of an older titans up to date; with other model weights: recite with the old, write with these."""
    from titans_cli.errors import PARTLY_FAILED, UsageError
    from titans_cli.models import Models
    from titans_cli.output import IngestBar, print_migrated
    from titans_cli.services.migrate import migrate as run
    from titans_cli.settings import home_folder
    from titans_cli.store import Store

    folder, new = home_folder(home), Models()
    with Store.open(folder) as store:  # this brings the index up to date
        written_by = store.require_head().fingerprint
    if written_by == new.fingerprint:
        print_migrated(None)
        return
    if weights is None:
        raise UsageError("Other model weights wrote these memories. Name the folder where they are: titans migrate --weights FOLDER")
    with IngestBar() as bar:
        done = run(folder, Models(weights), new, bar)
    print_migrated(done)
    if done.failed:
        raise typer.Exit(PARTLY_FAILED)
