"""Where memories are kept: an SQLite index, immutable shards, snapshots, and exports of them."""

from titans_cli.store.archive import export_snapshot, import_archive
from titans_cli.store.index import MemoryIndex, StoredMemories, open_index
from titans_cli.store.shards import Shard, keep_shard, pack_shard, read_shard, shard_path, shard_sizes, write_shard
from titans_cli.store.store import Failure, NewDocument, Snapshot, Store, StoredDocument, digest_of

__all__ = [
    "Failure",
    "MemoryIndex",
    "NewDocument",
    "Shard",
    "Snapshot",
    "Store",
    "StoredDocument",
    "StoredMemories",
    "digest_of",
    "export_snapshot",
    "import_archive",
    "keep_shard",
    "open_index",
    "pack_shard",
    "read_shard",
    "shard_path",
    "shard_sizes",
    "write_shard",
]
