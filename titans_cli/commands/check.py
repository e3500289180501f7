"""``titans check``."""

from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, command
from titans_cli.errors import DamagedError
from titans_cli.models import Models
from titans_cli.output import print_check
from titans_cli.services.maintenance import check as run
from titans_cli.services.maintenance import sample_recitations
from titans_cli.settings import home_folder


@command("titans check", "titans check --read-data --sample 500")
def check(
    read_data: Annotated[bool, typer.Option("--read-data", help="Read every shard, and recite a sample of memories.")] = False,
    sample: Annotated[int, typer.Option("--sample", min=0, help="Number of memories to recite with --read-data.")] = 64,
    device: Device = None,
    home: Home = None,
) -> None:
    """Check the store for damage. The exit code is 12 if there is any."""
    folder = home_folder(home)
    problems = run(folder, read_data)
    broken = any(not problem.harmless for problem in problems)
    recited, wrong = sample_recitations(folder, Models(device=device), sample) if read_data and not broken else (0, 0)
    print_check(problems, recited, wrong)
    if broken or wrong:
        raise typer.Exit(DamagedError.exit_code)
