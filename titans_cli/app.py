"""The command line: commands by name, and the one place that turns errors into exit codes."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from titans_cli.commands import ask, care, chat, history, ingest, recite, remember, seeing, serving, snapshot, status, transfer, watch
from titans_cli.encoding import prepare_output
from titans_cli.interruption import leave, noticing_interrupts

__all__ = ["app", "main"]


class Group(TyperGroup):
    """Turns our errors into one line on stderr and their exit code."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if " " in args[0]:
            from titans_cli.errors import UsageError

            raise UsageError(f'That is no command. To ask the memory: titans ask "{args[0]}"')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        from titans_cli.errors import translate

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
        from titans_cli.output import print_error

        print_error(message, code)
        raise typer.Exit(code)


app = typer.Typer(cls=Group, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
snapshots = typer.Typer(no_args_is_help=True, help="Name, list, bring back and delete states of the memory.")


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


def add(group: typer.Typer, name: str, function: Callable[..., None], **more: Any) -> None:
    """Add a command, with its examples below its help."""
    examples = "\n\n".join(["Examples:", *(f"  {escape(example)}" for example in function.examples)])  # type: ignore[attr-defined]
    group.command(name, epilog=examples, **more)(function)


def escape(example: str) -> str:
    """``rich.markup.escape`` without loading Rich."""
    return example.replace("[", "\\[")


for panel, commands in {
    "Memorize": {"ingest": ingest.ingest, "watch": watch.watch, "remember": remember.remember},
    "Ask": {"ask": ask.ask, "chat": chat.chat, "recite": recite.recite, "history": history.history},
    "Look": {"status": status.status, "surprise": seeing.surprise, "overview": seeing.overview},
    "Keep": {
        "forget": care.forget,
        "prune": care.prune,
        "check": care.check,
        "doctor": care.doctor,
        "migrate": care.migrate,
    },
    "Serve": {"mcp": serving.mcp, "serve": serving.serve},
    "Move": {"export": transfer.export, "import": transfer.import_, "merge": transfer.merge},
}.items():
    for name, function in commands.items():
        add(app, name, function, rich_help_panel=panel, **({"cls": ingest.IngestCommand} if name == "ingest" else {}))
for name, function in {
    "list": snapshot.list_snapshots,
    "create": snapshot.create,
    "restore": snapshot.restore,
    "delete": snapshot.delete,
    "diff": snapshot.diff,
}.items():
    add(snapshots, name, function)
app.add_typer(snapshots, name="snapshot", rich_help_panel="Keep")


def main() -> None:
    """Entry point of the console script."""
    prepare_output()
    try:
        app()
    except SystemExit as leaving:
        leave(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
        raise
