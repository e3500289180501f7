"""``titans ingest``."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from ingest import Options
from titans_cli.commands.options import Device, Home, check_encoding, command
from titans_cli.errors import PARTLY_FAILED, UsageError
from titans_cli.models import Models
from titans_cli.output import IngestBar, counted, print_ingest, print_plan
from titans_cli.services.ingest.budget import parse_size
from titans_cli.services.ingest.plan import plan_ingest, retried_paths
from titans_cli.services.ingest.request import Request
from titans_cli.services.ingest.result import IngestResult
from titans_cli.settings import home_folder, pdf_passwords

ADDRESS = re.compile(r"auto|local|ray://\S+|[\w.-]+:\d+")


class IngestCommand(TyperCommand):
    """Lets --ray stand without an address, which Typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for at, word in enumerate(args):
            if word == "--":
                break
            if word == "--ray" and not ADDRESS.fullmatch((args[at + 1 :] or [""])[0]):
                args[at] = "--ray=local"
        return super().parse_args(ctx, args)


@command(
    "titans ingest ./papers --exclude drafts",
    "titans ingest ./papers --dry-run",
    "curl -s https://example.org/page.txt | titans ingest -",
    cls=IngestCommand,
)
def ingest(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(readable=False, help="Files and folders: .pdf, .docx, .epub, .html, .txt, .md, .rst; - is standard input."),
    ] = None,
    include: Annotated[list[str] | None, typer.Option("--include", help="Only files that match this pattern, such as '*.log'.")] = None,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", help="Skip files and folders that match this pattern.")] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Encoding of text files. Default: detected.")] = None,
    pdf_engine: Annotated[
        str | None, typer.Option("--pdf-engine", help="pypdf or pypdfium2. Default: pypdf, then pypdfium2 if that fails.")
    ] = None,
    prune_missing: Annotated[bool, typer.Option("--prune-missing", help="Remove documents whose files no longer exist.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is new, changed, moved and gone; change nothing.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Retry the files that failed before.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Number of processes that extract text; with --ray, number of actors.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray", metavar="[ADDRESS]", help="Memorize on a Ray cluster: auto, HOST:PORT or ray://…. Without an address, on this machine."
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", help="Size limit of the memory from now on, such as 500MB. Forgets the least useful documents."),
    ] = None,
    device: Device = None,
    home: Home = None,
) -> None:
    """Memorize documents: run them through the model and store the memory weights that it learns.

    Unchanged files are skipped. After an interruption, the same command continues where it stopped.
    """
    folder, models = home_folder(home), Models(device=device)
    if not paths and not retry_failed:
        raise UsageError("Name the files or folders to memorize: titans ingest FOLDER")
    if pdf_engine not in (None, "pypdf", "pypdfium2"):
        raise UsageError(f"Unknown PDF engine {pdf_engine!r}. Choose pypdf or pypdfium2.")
    check_encoding(encoding)
    wanted = list(paths or [])
    if retry_failed:
        wanted += retried_paths(folder)
    only, never = include or (), exclude or ()
    if dry_run:
        print_plan(plan_ingest(folder, models.fingerprint, wanted, only, never))
        return
    options = Options(encoding, pdf_engine, pdf_passwords())
    request = Request(options, only, never, prune_missing, workers, ray, None if budget is None else parse_size(budget))
    result = ingest_and_show(folder, models, wanted, request)
    locked = [error.path for error in result.did.failed if error.kind == "encrypted"]
    if locked and not result.interrupted and sys.stdin.isatty() and sys.stderr.isatty():
        asked = typer.prompt(f"Password of {counted(len(locked), 'encrypted PDF')} (empty to skip)", "", hide_input=True, err=True)
        if asked:
            options = replace(options, passwords=(*options.passwords, asked))
            result = ingest_and_show(folder, models, locked, replace(request, options=options, prune_missing=False))
    if result.interrupted:
        raise typer.Exit(130)
    if result.did.failed:
        raise typer.Exit(PARTLY_FAILED if result.snapshot is not None else 1)


def ingest_and_show(folder: Path, models: Models, paths: list[Path], request: Request) -> IngestResult:
    from titans_cli.services.ingest.run import ingest as run

    with IngestBar() as bar:
        result = run(folder, models, paths, bar, request)
    print_ingest(result)
    return result
