"""``titans chat``."""

from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, Llm, Model, command
from titans_cli.services.llm.client import choose_client
from titans_cli.settings import VI, home_folder


@command("titans chat", "titans chat --vi", "titans chat --llm http://localhost:11434 --model qwen3:4b", json=False)
def chat(
    vi: Annotated[bool, typer.Option("--vi/--emacs", help="Edit lines with the keys of vi or emacs. F4 switches.", envvar=VI)] = False,
    llm: Llm = None,
    model: Model = None,
    device: Device = None,
    home: Home = None,
) -> None:
    """Ask questions in a conversation. /help lists the commands, Ctrl-D leaves."""
    from titans_cli.chat.repl import Repl  # prompt_toolkit, which the help does without

    Repl(home_folder(home), vi, choose_client(llm, model), device).run()
