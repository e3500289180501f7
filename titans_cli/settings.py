"""Where the store is."""

import os
from pathlib import Path

from platformdirs import user_data_path

__all__ = ["home_folder"]


def home_folder(given: Path | None = None) -> Path:
    """The store's folder: ``given`` (--home), else $TITANS_HOME, else the user's data folder of this system."""
    chosen = given or os.environ.get("TITANS_HOME") or user_data_path("titans")
    return Path(chosen).expanduser().absolute()
