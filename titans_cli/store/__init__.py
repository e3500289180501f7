"""The store of memories: an SQLite catalog, immutable shards, snapshots and exports. Needs no torch."""

from titans_cli.store.export_file import ExportFile, export_snapshot, import_exports, open_exports
from titans_cli.store.files import shard_path
from titans_cli.store.history import History, Turn
from titans_cli.store.index import MemoryIndex, StoredMemories, open_index
from titans_cli.store.migrations import now
from titans_cli.store.records import BUDGET, Failure, NewDocument, Snapshot, StoredDocument, digest_of, is_automatic
from titans_cli.store.shards import Shard, ShardShape, keep_shard, pack_shard, read_shard
from titans_cli.store.sizes import shard_sizes
from titans_cli.store.store import Store

__all__ = [
    "BUDGET",
    "ExportFile",
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
    "import_exports",
    "is_automatic",
    "keep_shard",
    "now",
    "open_exports",
    "open_index",
    "pack_shard",
    "read_shard",
    "shard_path",
    "shard_sizes",
]
