"""Shell completion of names in the store. Loads no model; errors give no completions."""

from collections.abc import Callable
from typing import Any

from titans_cli.settings import home_folder
from titans_cli.store import Store

__all__ = ["complete_documents", "complete_snapshots"]


def complete_documents(ctx: Any, incomplete: str) -> list[str]:
    """Names of documents that begin with what was typed so far, with or without their folder."""

    def names(store: Store) -> list[str]:
        whole = [document.name for document in store.documents(store.require_head())]
        return [name if name.startswith(incomplete) else name.rpartition("/")[2] for name in whole]

    return names_of(ctx, incomplete, names)


def complete_snapshots(ctx: Any, incomplete: str) -> list[str]:
    """Names of snapshots that begin with what was typed so far."""
    return names_of(ctx, incomplete, lambda store: [snapshot.name for snapshot in store.snapshots()])


def names_of(ctx: Any, incomplete: str, names: Callable[[Store], list[str]]) -> list[str]:
    try:
        with Store.open(home_folder(ctx.params.get("home")), patience=0) as store:
            return [name for name in names(store) if name.startswith(incomplete) and name.isprintable()]
    except Exception:  # a shell that waits for a completion has no place for an error
        return []
