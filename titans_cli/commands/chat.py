from typing import Annotated

import typer

from titans_cli.commands.options import Home, command


@command("titans chat", "titans chat --vi", json=False)
def chat(
    vi: Annotated[bool, typer.Option("--vi/--emacs", help="Keys of vi or of emacs; F4 changes.", envvar="TITANS_VI")] = False,
    home: Home = None,
) -> None:
    """Ask question after question: /help shows what can be typed, Ctrl-D leaves."""
    from titans_cli.repl import Repl
    from titans_cli.settings import home_folder

    Repl(home_folder(home), vi).run()
