"""``titans migrate``."""

from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, command
from titans_cli.errors import PARTLY_FAILED
from titans_cli.output import IngestBar, print_migrated
from titans_cli.settings import home_folder


@command("titans migrate", "titans migrate --weights old/model/weights")
def migrate(
    weights: Annotated[
        Path | None, typer.Option("--weights", help="The folder model/weights of the titans that wrote the memories.", exists=True)
    ] = None,
    device: Device = None,
    home: Home = None,
) -> None:
    """Update a store of an older titans. If the model weights changed: recite with the old, write with the new."""
    from titans_cli.services.migrate import migrate as run

    with IngestBar() as bar:
        done = run(home_folder(home), weights, device, bar)
    print_migrated(done)
    if done is not None and done.failed:
        raise typer.Exit(PARTLY_FAILED)
