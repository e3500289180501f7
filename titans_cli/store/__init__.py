"""Where memories are kept: an SQLite index, immutable shards, snapshots, and exports of them."""

from titans_cli.store.archive import Archive, export_snapshot, import_archives, open_archives
from titans_cli.store.index import MemoryIndex, StoredMemories, open_index
from titans_cli.store.shards import Shard, ShardShape, keep_shard, pack_shard, read_shard, shard_path, shard_sizes
from titans_cli.store.store import Failure, NewDocument, Snapshot, Store, StoredDocument, digest_of, is_automatic

__all__ = [
    "Archive",
    "Failure",
    "MemoryIndex",
    "NewDocument",
    "Shard",
    "ShardShape",
    "Snapshot",
    "Store",
    "StoredDocument",
    "StoredMemories",
    "digest_of",
    "export_snapshot",
    "import_archives",
    "is_automatic",
    "keep_shard",
    "open_archives",
    "open_index",
    "pack_shard",
    "read_shard",
    "shard_path",
    "shard_sizes",
]
