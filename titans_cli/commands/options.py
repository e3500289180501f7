"""Options that every command has."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Home"]

Home = Annotated[Path | None, typer.Option("--home", help="Folder of the store.", envvar="TITANS_HOME", show_envvar=True)]
