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
    allow_write: Annotated[bool, typer.Option("--allow-write", help="Also offer tools that memorize and forget.")] = False,
    device: Device = None,
    home: Home = None,
) -> None:
    """Let an assistant use the memory: a Model Context Protocol server on standard input and output."""
    need("mcp", "mcp")
    from titans_cli.servers.mcp import serve as run  # an extra

    if sys.stdin.isatty():
        print_note("This server is for assistants, which start it themselves with the command: titans mcp. Stop with Ctrl-C.")
    run(Session(home_folder(home), device), allow_write)
