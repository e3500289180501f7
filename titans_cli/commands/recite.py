from typing import Annotated

import typer

from titans_cli.commands.options import Home, command


@command('titans recite "Four score and"')
def recite(
    words: Annotated[str, typer.Argument(help="Some words of a memorized document.")],
    home: Home = None,
) -> None:
    """Continue from memory what follows these words."""
    from titans_cli.errors import TitansError, UsageError
    from titans_cli.models import Models
    from titans_cli.render import print_continuation
    from titans_cli.settings import home_folder
    from titans_cli.usecases.ask import Assistant
    from titans_cli.usecases.continue_text import continue_text

    if not words.strip():
        raise UsageError('Give some words of a document: titans recite "some words"')
    continuation = continue_text(Assistant(home_folder(home), Models()), words)
    if continuation is None:
        raise TitansError("No memory that these words wake holds them. Give more of them, as they stand in the document.")
    print_continuation(continuation)
