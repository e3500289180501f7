"""Shared parts of commands: options, examples in the help, and the conversion to Typer commands."""

import codecs
import inspect
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from titans_cli.errors import UsageError
from titans_cli.output import mode
from titans_cli.settings import DEVICE, HOME, LLM_MODEL, LLM_URL

__all__ = ["Device", "Home", "Llm", "Model", "build", "check_encoding", "command", "need", "register"]

Home = Annotated[Path | None, typer.Option("--home", help="Folder of the store.", envvar=HOME, show_envvar=True)]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", envvar=DEVICE, show_envvar=True, help="Where the model runs: cpu, cuda or mps. Default: the fastest available."
    ),
]
Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        metavar="URL",
        envvar=LLM_URL,
        show_envvar=True,
        help="Server of a language model that writes the answer from recited quotes, such as http://localhost:11434.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME", envvar=LLM_MODEL, show_envvar=True, help="Model of the --llm server. Optional if it has only one."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as described in docs/json.md.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more details.")]


def command(
    *examples: str, json: bool = True, cls: type[TyperCommand] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command --quiet, --verbose and, unless it is for people alone, --json; ``examples`` stand below its help."""
    added = {"as_json": Json, "quiet": Quiet, "verbose": Verbose}
    if not json:
        del added["as_json"]

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(quiet: bool, verbose: bool, as_json: bool = False, **arguments: Any) -> None:
            mode.json, mode.quiet, mode.verbose = as_json, quiet, verbose
            if quiet and verbose:
                raise UsageError("Give --quiet or --verbose, not both.")
            function(**arguments)

        signature = inspect.signature(function)
        further = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind) for name, kind in added.items()]
        run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *further])  # type: ignore[attr-defined]
        run.examples = examples  # type: ignore[attr-defined]
        run.cls = cls  # type: ignore[attr-defined]
        return run

    return decorate


def register(group: typer.Typer, name: str, function: Callable[..., None]) -> None:
    """Add a command to a group, with its examples below its help."""
    examples = [example.replace("[", "\\[") for example in function.examples]  # type: ignore[attr-defined]  # no markup of Rich
    group.command(name, cls=function.cls, epilog="\n\n  ".join(["Examples:", *examples]))(function)  # type: ignore[attr-defined]


def build(name: str, made: Callable[..., None] | typer.Typer) -> Any:
    """The command of a function with ``command``, or the group that is given. Typer's own, without its options for completion."""
    if isinstance(made, typer.Typer):
        return get_command(made)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    register(alone, name, made)
    return get_command(alone)


def check_encoding(encoding: str | None) -> None:
    """Raises UsageError for one that Python does not know."""
    try:
        codecs.lookup(encoding or "utf-8")
    except (LookupError, ValueError) as error:  # ValueError: it has characters that no name has
        raise UsageError(f"Unknown encoding {encoding!r}. Try utf-8, cp1252 or shift_jis.") from error


def need(package: str, extra: str) -> None:
    """Raises UsageError when a package is not installed that the command needs."""
    if find_spec(package) is None:
        raise UsageError(f'This needs the package {package}. Install it: pip install "titans-cli[{extra}]"')
