"""``titans serve``."""

from pathlib import Path
from typing import Annotated

import typer

from titans_cli.commands.options import Device, Home, command, need
from titans_cli.errors import UsageError
from titans_cli.output import print_error, say
from titans_cli.session import Session
from titans_cli.settings import home_folder, server_token

PORT = 8372


@command("titans serve", "titans serve --port 0", "titans serve --token-file token.txt", json=False)
def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = PORT,
    host: Annotated[str, typer.Option("--host", help="Must be 127.0.0.1: no other machine can connect.")] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", readable=False, help="File with a token that each request must send. Alternative: set TITANS_TOKEN."),
    ] = None,
    device: Device = None,
    home: Home = None,
) -> None:
    """Let other programs on this machine ask the memory through a chat API compatible with OpenAI's."""
    need("starlette", "serve")
    need("uvicorn", "serve")
    from titans_cli.servers.http import open_socket  # extras
    from titans_cli.servers.http import serve as run

    token = read_token(token_file)
    with open_socket(host, port) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        access = "requests need the token" if token else "every program on this machine can ask"
        say(f"Listening on {address} ({access}). The model's name is titans. Stop with Ctrl-C.")
        run(Session(home_folder(home), device), listening, token, print_error)


def read_token(file: Path | None) -> str | None:
    """The token of a file, or of the environment. Raises UsageError."""
    try:
        token = server_token() if file is None else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read the token in {file} ({error}).") from error
    token = token.strip()
    if file is not None and not token:
        raise UsageError(f"{file} holds no token. Create one: openssl rand -hex 32 > {file}")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("The token must consist of printable ASCII characters without spaces.")
    return token or None
