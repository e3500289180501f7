"""Where memories are kept: an SQLite index, immutable shards, snapshots, and exports of them.

What needs torch is imported when it is first asked for: commands that only look at the index answer at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from titans_cli.store.files import shard_path
from titans_cli.store.history import History, Turn
from titans_cli.store.migrations import now
from titans_cli.store.sizes import shard_sizes
from titans_cli.store.store import BUDGET, Failure, NewDocument, Snapshot, Store, StoredDocument, digest_of, is_automatic

if TYPE_CHECKING:
    from titans_cli.store.archive import Archive, export_snapshot, import_archives, open_archives
    from titans_cli.store.index import MemoryIndex, StoredMemories, open_index
    from titans_cli.store.shards import Shard, ShardShape, keep_shard, pack_shard, read_shard

__all__ = [
    "BUDGET",
    "Archive",
    "Failure",
    "History",
    "MemoryIndex",
    "NewDocument",
    "Shard",
    "ShardShape",
    "Snapshot",
    "Store",
    "StoredDocument",
    "StoredMemories",
    "Turn",
    "digest_of",
    "export_snapshot",
    "import_archives",
    "is_automatic",
    "keep_shard",
    "now",
    "open_archives",
    "open_index",
    "pack_shard",
    "read_shard",
    "shard_path",
    "shard_sizes",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in ("shards", "index", "archive"):
            found = getattr(import_module(f"{__name__}.{module}"), name, None)
            if found is not None:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
