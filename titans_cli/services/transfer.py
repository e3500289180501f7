"""Moves memories between machines: export, import and merge."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from titans_cli.errors import LockedError, TitansError, UsageError
from titans_cli.store import ShardShape, Snapshot, Store, export_snapshot, import_exports, open_exports

__all__ = ["export_to", "import_from", "merge_into"]


def export_to(home: Path, target: Path, name: str | None = None) -> tuple[Snapshot, int]:
    """Write the head, or snapshot ``name``, to one file; returns the snapshot and the number of bytes."""
    with Store.open(home) as store:
        snapshot = store.snapshot(name) if name else store.require_head()
        return snapshot, export_snapshot(store, snapshot, target)


def import_from(home: Path, sources: Sequence[Path], shape: ShardShape, max_size: int) -> Snapshot:
    """Verify exports, and add their memories to the store at ``home``, which is created if needed. A refused export changes nothing."""
    with open_exports(sources, shape, max_size) as exports:
        fresh = not (home / "titans.db").exists()
        try:
            with Store.open(home, create=True) as store, store.locked():
                return import_exports(store, exports, shape.fingerprint)
        except LockedError:  # whoever holds it may just have made it
            raise
        except BaseException:
            if fresh:
                Store.remove_new(home)
            raise


def merge_into(sources: Sequence[Path], target: Path, shape: ShardShape, max_size: int) -> tuple[Snapshot, int]:
    """Verify exports and merge them into one; returns its snapshot and size in bytes. Touches no store."""
    if os.path.lexists(target):
        raise UsageError(f"{target} already exists. Choose another name.")
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise TitansError(f"Cannot write {target} ({error.strerror}). Choose another path.") from error
    try:
        merged = import_from(folder / "home", sources, shape, max_size)
        with Store.open(folder / "home") as store:
            return merged, export_snapshot(store, merged, target)
    finally:
        shutil.rmtree(folder)
