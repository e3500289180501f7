"""The command line: a table of commands, loaded on first use, and the one place that turns errors into exit codes."""

import gc
from collections.abc import Iterator
from importlib import import_module
from keyword import iskeyword
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from titans_cli.encoding import prepare_output
from titans_cli.errors import UsageError, translate
from titans_cli.interruption import leave, noticing_interrupts

__all__ = ["COMMANDS", "app", "main"]

COMMANDS = {
    "Memorize": {
        "ingest": "Memorize documents: run them through the model and store the memory weights that it learns.",
        "watch": "Watch folders: memorize new and changed files, forget deleted ones. Stop with Ctrl-C.",
        "remember": "Save a short note, filed under the current date and time. Delete it with titans forget.",
    },
    "Ask": {
        "ask": "Answer a question from memory, with document, page and recited evidence.",
        "chat": "Ask questions in a conversation. /help lists the commands, Ctrl-D leaves.",
        "recite": "Recite from memory the text that follows these words.",
        "history": "Show earlier questions and their answers.",
    },
    "Inspect": {
        "status": "Show what is memorized and which files failed.",
        "surprise": "Show, word by word, what in a document is new to the memory and what it already knows.",
        "overview": "Show the main topics of the memory, each with a recited sentence, its words and its documents.",
    },
    "Maintain": {
        "forget": "Forget documents: remove their memory weights and sentence vectors. All others stay the same, byte for byte.",
        "prune": "Delete old automatic snapshots, the memories that only they hold, and files left by killed runs.",
        "check": "Check the store for damage. The exit code is 12 if there is any.",
        "doctor": "Show what is wrong with the store and which command repairs it.",
        "migrate": "Update a store of an older titans. If the model weights changed: recite with the old, write with the new.",
        "snapshot": "List, create, restore, delete and compare snapshots of the memory.",
    },
    "Serve": {
        "mcp": "Let an assistant use the memory: a Model Context Protocol server on standard input and output.",
        "serve": "Let other programs on this machine ask the memory through a chat API compatible with OpenAI's.",
    },
    "Transfer": {
        "export": "Export the memory to one file, for import on another machine.",
        "import": "Verify exports and add their memories to the store, in any order.",
        "merge": "Merge several exports into one, in any order, without touching the store.",
    },
}
"""By panel and name, the first paragraph of each command's help. The command is in the module of its name."""

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Loading modules makes many objects and little garbage; Python would look for it after every 700."""


class LazyCommand(TyperCommand):
    """A command whose module is imported only when it runs, shows its help or completes an argument."""

    def load(self) -> Any:
        """The command itself."""
        from titans_cli.commands.options import build  # what all commands share, and --version does without

        assert self.name is not None
        name = f"{self.name}_" if iskeyword(self.name) else self.name
        return build(self.name, getattr(import_module(f"titans_cli.commands.{name}"), name))

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self.load().make_context(info_name, args, parent, **extra)


def lazy_commands() -> Iterator[LazyCommand]:
    for panel, commands in COMMANDS.items():
        for name, help in commands.items():
            yield LazyCommand(name, help=help, rich_help_panel=panel)


class Group(TyperGroup):
    """Prints errors as one line on stderr and exits with their exit code."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for command in lazy_commands():
            self.add_command(command)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if " " in args[0]:
            raise UsageError(f'That is not a command. To ask a question: titans ask "{args[0]}"')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            with noticing_interrupts() as pressed:
                return super().invoke(ctx)
        except KeyboardInterrupt:
            message, code = "Interrupted.", 130
        except Exception as error:
            told = translate(error)
            if told is None and not pressed.is_set():
                raise
            message, code = (str(told), told.exit_code) if told else ("Interrupted.", 130)
        from titans_cli.output import print_error  # Rich, which commands that go well may not need

        print_error(message, code)
        raise typer.Exit(code)


app = typer.Typer(
    cls=Group, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)  # fmt: skip


def show_version(wanted: bool) -> None:
    if wanted:
        from titans_cli import __version__

        typer.echo(f"titans {__version__}")
        raise typer.Exit()


@app.callback(epilog='Start with:\n\n  titans ingest FOLDER\n\n  titans ask "…"')
def titans(
    version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """Memorize folders of PDFs and text into the weights of a neural memory, and answer questions from them."""


def main() -> None:
    """Entry point of the console script."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    prepare_output()
    try:
        app()
    except SystemExit as leaving:
        leave(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
        raise
