"""``titans doctor``."""

from typing import Annotated

import typer

from titans_cli.commands.options import Home, command
from titans_cli.fingerprint import fingerprint_of
from titans_cli.output import print_diagnosis
from titans_cli.services.maintenance import diagnose, mend
from titans_cli.settings import home_folder


@command("titans doctor", "titans doctor --fix")
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Remove damaged documents, so that they can be memorized again.")] = False,
    home: Home = None,
) -> None:
    """Show what is wrong with the store and which command repairs it."""
    folder = home_folder(home)
    mended = mend(folder) if fix else []
    print_diagnosis(diagnose(folder, fingerprint_of()), mended)
