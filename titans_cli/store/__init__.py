"""Where memories are kept: an SQLite index, immutable shards, snapshots, and exports of them."""

from titans_cli.store.archive import export_snapshot, import_archive
from titans_cli.store.index import MemoryIndex, StoredMemories, open_index
from titans_cli.store.shards import Shard, read_shard, write_shard
from titans_cli.store.store import Failure, NewDocument, Snapshot, Store, StoredDocument

__all__ = [
    "Failure",
    "MemoryIndex",
    "NewDocument",
    "Shard",
    "Snapshot",
    "Store",
    "StoredDocument",
    "StoredMemories",
    "export_snapshot",
    "import_archive",
    "open_index",
    "read_shard",
    "write_shard",
]
