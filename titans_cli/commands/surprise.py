"""``titans surprise``."""

from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, check_encoding, command
from titans_cli.output import IngestBar, must_not_exist, print_surprise, write_heat
from titans_cli.session import Session
from titans_cli.settings import home_folder


@command("titans surprise draft.pdf", "titans surprise draft.pdf --html draft.html --png draft.png", "titans surprise news.txt --least 0.5")
def surprise(
    file: Annotated[Path, typer.Argument(readable=False, help="File of a kind that titans ingest reads, or - for standard input.")],
    least: Annotated[float, typer.Option("--least", min=0, max=1, help="Show only sentences with at least this surprise.")] = 0,
    html: Annotated[Path | None, typer.Option("--html", help="Also write an HTML page.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Also write a PNG image.")] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Encoding of a text file. Default: detected.")] = None,
    device: Device = None,
    home: Home = None,
) -> None:
    """Show, word by word, what in a document is new to the memory and what it already knows.

    Each sentence is compared with recited memories: 0 is known word for word, 1 is new. Nothing is memorized.
    """
    from titans_cli.services.novelty.report import surprise as run

    check_encoding(encoding)
    must_not_exist([html, png])
    with IngestBar() as bar:
        result = run(Session(home_folder(home), device), file, bar, encoding)
    print_surprise(result, least)
    write_heat(result, html, png, least)
