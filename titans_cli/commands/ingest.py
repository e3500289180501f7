from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Home


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders: .pdf, .txt, .md, .rst, .html")],
    home: Home = None,
) -> None:
    """Memorize documents: stream them through the model and keep the learned memory weights."""
    from titans_cli.errors import PARTLY_FAILED
    from titans_cli.models import Models
    from titans_cli.render import IngestBar, print_ingest
    from titans_cli.settings import home_folder
    from titans_cli.usecases.ingest import ingest as run

    with IngestBar() as bar:
        result = run(home_folder(home), Models(), paths, bar)
    print_ingest(result)
    if result.interrupted:
        raise typer.Exit(130)
    if result.failed:
        raise typer.Exit(PARTLY_FAILED if result.new + result.unchanged else 1)
