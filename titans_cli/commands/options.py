"""What commands have in common: options, and the examples of their help."""

import codecs
import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from titans_cli import settings

__all__ = ["Home", "Llm", "Model", "check_encoding", "command"]

Home = Annotated[Path | None, typer.Option("--home", help="Folder of the store.", envvar=settings.HOME, show_envvar=True)]
Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        metavar="URL",
        envvar=settings.LLM_URL,
        show_envvar=True,
        help="A language model's server, such as http://localhost:11434: it writes the answer from what is recited.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        envvar=settings.LLM_MODEL,
        show_envvar=True,
        help="Its model; need not be given where it has only one.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs: see docs/json.md.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only what was asked for, and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more of what is done.")]


def command(*examples: str, json: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command --quiet, --verbose and, unless it is for people alone, --json; ``examples`` stand below its help."""
    added = {"as_json": Json, "quiet": Quiet, "verbose": Verbose}
    if not json:
        del added["as_json"]

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(quiet: bool, verbose: bool, as_json: bool = False, **arguments: Any) -> None:
            from titans_cli.errors import UsageError
            from titans_cli.output import mode

            mode.json, mode.quiet, mode.verbose = as_json, quiet, verbose
            if quiet and verbose:
                raise UsageError("Give --quiet or --verbose, not both.")
            function(**arguments)

        signature = inspect.signature(function)
        further = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind) for name, kind in added.items()]
        run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *further])  # type: ignore[attr-defined]
        run.examples = examples  # type: ignore[attr-defined]
        return run

    return decorate


def check_encoding(encoding: str | None) -> None:
    """Raises UsageError for one that Python does not know."""
    from titans_cli.errors import UsageError

    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError as error:
        raise UsageError(f"There is no encoding {encoding!r}. Try utf-8, cp1252 or shift_jis.") from error
