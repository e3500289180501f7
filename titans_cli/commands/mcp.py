"""``titans mcp``."""

import sys
from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, command, need
from titans_cli.output import print_note
from titans_cli.session import Session
from titans_cli.settings import home_folder


@command("titans mcp", "claude mcp add titans -- titans mcp", "titans mcp --allow-write", json=False)
def mcp(
    allow_write: Annotated[bool, typer.Option("--allow-write", help="Offer tools that memorize and forget, too.")] = False,
    device: Device = None,
    home: Home = None,
) -> None:
    """Let an assistant use the memory: a server of the Model Context Protocol on standard input and output."""
    need("mcp", "mcp")
    from titans_cli.servers.mcp import serve as run  # an extra

    if sys.stdin.isatty():
        print_note("An assistant starts this and speaks with it. Tell it the command: titans mcp. Ctrl-C ends it.")
    run(Session(home_folder(home), device), allow_write)
