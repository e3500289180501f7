"""What the shell completes: names out of the store. Quick and silent: no model is loaded, and what fails completes nothing."""

from typing import Any

__all__ = ["complete_documents", "complete_snapshots"]


def complete_documents(ctx: Any, incomplete: str) -> list[str]:
    """Names of documents that hold what was typed so far."""
    return names_of(ctx, incomplete, lambda store: [document.name for document in store.documents(store.require_head())])


def complete_snapshots(ctx: Any, incomplete: str) -> list[str]:
    """Names of snapshots that hold what was typed so far."""
    return names_of(ctx, incomplete, lambda store: [snapshot.name for snapshot in store.snapshots()])


def names_of(ctx: Any, incomplete: str, names: Any) -> list[str]:
    from titans_cli.settings import home_folder
    from titans_cli.store import Store

    try:
        with Store.open(home_folder(ctx.params.get("home")), patience=0) as store:
            return [name for name in names(store) if incomplete in name and name.isprintable()]
    except Exception:  # a shell that waits for a completion has no place for an error
        return []
