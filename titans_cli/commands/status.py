"""``titans status``."""

from titans_cli.commands.options import Home, command
from titans_cli.output import print_status
from titans_cli.services.status import status as run
from titans_cli.settings import home_folder


@command("titans status", "titans status --json | jq .tokens")
def status(home: Home = None) -> None:
    """Show what is memorized and which files failed."""
    print_status(run(home_folder(home)))
