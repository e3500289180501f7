"""The command line: a table of commands, each loaded when it is used, and the one place that turns errors into exit codes."""

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
        "ingest": "Memorize documents: stream them through the model and keep the learned memory weights.",
        "watch": "Keep folders memorized: learn new and changed files as they come, take out those that are deleted. Ctrl-C ends it.",
        "remember": "Save a short note, filed under the present date and time; titans forget deletes it again.",
    },
    "Ask": {
        "ask": "Answer from memory, with document, page and recited evidence.",
        "chat": "Ask question after question: /help shows what can be typed, Ctrl-D leaves.",
        "recite": "Continue from memory what follows these words.",
        "history": "Look through the questions that were asked and the answers given.",
    },
    "Look": {
        "status": "Show what is memorized, and what could not be.",
        "surprise": "Show what in a document is new to this memory and what it knew, word by word.",
        "overview": "Show what the memory is about: its themes, each with a recited sentence, its words and its documents.",
    },
    "Keep": {
        "forget": "Forget documents: their memory weights and sentence vectors go, all others stay as they are, byte for byte.",
        "prune": "Delete old automatic snapshots, what only they hold, and what killed runs left.",
        "check": "Say whether the store is sound; the exit code is 12 when it is not.",
        "doctor": "Say what is wrong with the store and which command mends it.",
        "migrate": "Bring a store of an older titans up to date; with other model weights: recite with the old, write with these.",
        "snapshot": "Name, list, bring back and delete states of the memory.",
    },
    "Serve": {
        "mcp": "Let an assistant use the memory: a server of the Model Context Protocol on standard input and output.",
        "serve": "Let editors and other programs on this machine ask the memory, as they would ask OpenAI's chat API.",
    },
    "Move": {
        "export": "Write the memory to one file, to be imported on another machine.",
        "import": "Verify exports and add their memories to the store; the order makes no difference.",
        "merge": "Make one export of several, without touching the store; the order makes no difference.",
    },
}
"""By panel and name, the first paragraph of each command's help. The command is in the module of its name."""

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Loading modules makes many objects and little garbage; Python would look for it after every 700."""


class LazyCommand(TyperCommand):
    """A command of the table: its module is imported when it runs, shows its help or completes what is typed."""

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
    """Turns our errors into one line on stderr and their exit code."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for command in lazy_commands():
            self.add_command(command)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if " " in args[0]:
            raise UsageError(f'That is no command. To ask the memory: titans ask "{args[0]}"')
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


app = typer.Typer(cls=Group, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")


def show_version(wanted: bool) -> None:
    if wanted:
        from titans_cli import __version__

        typer.echo(f"titans {__version__}")
        raise typer.Exit()


@app.callback(epilog='Begin with:\n\n  titans ingest FOLDER\n\n  titans ask "…"')
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
