"""The command line: commands by name, and the one place that turns errors into exit codes."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from titans_cli.commands import ask, care, chat, ingest, recite, snapshot, status, transfer, watch

__all__ = ["app", "main"]


class Group(TyperGroup):
    """Turns our errors into one line on stderr and their exit code."""

    def invoke(self, ctx: Any) -> Any:
        from titans_cli.errors import TitansError, explain

        try:
            return super().invoke(ctx)
        except TitansError as error:
            message, code = str(error), error.exit_code
        except KeyboardInterrupt:
            message, code = "Interrupted.", 130
        except Exception as error:
            from model.errors import ModelError

            told = TitansError(str(error)) if isinstance(error, ModelError) else explain(error)
            if told is None:
                raise
            message, code = str(told), told.exit_code
        from titans_cli.render import print_error

        print_error(message)
        raise typer.Exit(code)


app = typer.Typer(cls=Group, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


def show_version(wanted: bool) -> None:
    if wanted:
        from titans_cli import __version__

        typer.echo(f"titans {__version__}")
        raise typer.Exit()


@app.callback()
def titans(
    version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """Memorize folders of PDFs and text into the weights of a neural memory, and answer questions from them."""


app.command("ingest", cls=ingest.IngestCommand)(ingest.ingest)
app.command("watch")(watch.watch)
app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.command("recite")(recite.recite)
app.command("status")(status.status)
app.command("forget")(care.forget)
app.command("prune")(care.prune)
app.command("check")(care.check)
app.command("doctor")(care.doctor)
app.command("migrate")(care.migrate)
app.add_typer(snapshot.app, name="snapshot")
app.command("export")(transfer.export)
app.command("import")(transfer.import_)
app.command("merge")(transfer.merge)


def main() -> None:
    """Entry point of the console script."""
    app()
