"""Every TITANS_* environment variable, read by a function or through an option."""

import os
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

__all__ = [
    "DEVICE",
    "HOME",
    "LLM_MODEL",
    "LLM_URL",
    "VI",
    "cache_folder",
    "history_wanted",
    "home_folder",
    "llm_key",
    "llm_model",
    "pdf_passwords",
    "server_token",
]

DEVICE = "TITANS_DEVICE"
HOME = "TITANS_HOME"
LLM_URL = "TITANS_LLM_URL"
LLM_MODEL = "TITANS_LLM_MODEL"
LLM_KEY = "TITANS_LLM_KEY"
HISTORY = "TITANS_HISTORY"
PDF_PASSWORD = "TITANS_PDF_PASSWORD"
TOKEN = "TITANS_TOKEN"
VI = "TITANS_VI"
OFF = {"0", "off", "no", "false"}


def home_folder(given: Path | None = None) -> Path:
    """The store's folder: ``given`` (--home), else $TITANS_HOME, else the user data folder of this system."""
    chosen = given or os.environ.get(HOME) or user_data_path("titans")
    return Path(chosen).expanduser().absolute()


def cache_folder() -> Path:
    """The cache folder of this system, for data that can be computed again. It contains nothing of a store."""
    return user_cache_path("titans")


def history_wanted() -> bool:
    """Whether $TITANS_HISTORY allows the history."""
    return os.environ.get(HISTORY, "").strip().lower() not in OFF


def llm_key() -> str | None:
    """The API key for a language model server."""
    return os.environ.get(LLM_KEY, "").strip() or None


def llm_model() -> str | None:
    """The model that is used when --llm names a server."""
    return os.environ.get(LLM_MODEL)


def server_token() -> str:
    """The token that each request to ``titans serve`` must send; empty for none."""
    return os.environ.get(TOKEN, "")


def pdf_passwords() -> tuple[str, ...]:
    """The passwords to try on encrypted PDFs."""
    password = os.environ.get(PDF_PASSWORD)
    return (password,) if password else ()
