"""Invented stores and their exports, for tests and for fuzzing import; no model is needed."""

import hashlib
import io
import json
from dataclasses import asdict, dataclass, fields

import numpy as np

from titans_cli.store import NewDocument, Shard, ShardShape, Snapshot, Store, digest_of, keep_shard, pack_shard, shard_path
from titans_cli.store.container import SEAL, Writer
from titans_cli.store.export_file import encode_manifest, place_of

__all__ = ["SHAPE", "Export", "add_documents", "container", "make_shard", "read_export", "seal"]

SHAPE = ShardShape("5eed" * 16, row_bytes=6, least_rows=8, most_rows=128, rows_step=8, segment=128, vector=192, lanes=7)


def make_shard(seed: int, memories: int = 3, pages: int = 0) -> Shard:
    """A shard as ``SHAPE`` has it; its memories lie on the pages 1 to ``pages``, or on none."""
    chance = np.random.default_rng(seed)
    rows = chance.integers(1, 17, memories) * 8
    sizes = [chance.integers(1, 30, chance.integers(1, 5)) for _ in range(memories)]
    count = sum(map(len, sizes))
    gists = chance.normal(size=(count, SHAPE.vector))
    gists /= np.linalg.norm(gists, axis=1, keepdims=True)
    scales = (np.abs(gists).max(1) / 127).astype(np.float16)
    arrays = {
        "weights": chance.integers(0, 256, (rows.sum(), SHAPE.row_bytes)).astype(np.uint8),
        "rows": rows.astype(np.uint8),
        "scales": chance.uniform(0.1, 0.2, memories).astype(np.float16),
        "pages": np.sort(chance.integers(1, pages + 1, memories) if pages else np.zeros(memories)).astype(np.int32),
        "checksums": chance.integers(0, 256, (memories, 8)).astype(np.uint8),
        "sentences": np.concatenate(sizes).astype(np.int16),
        "owners": np.repeat(np.arange(memories), [len(s) for s in sizes]).astype(np.int32),
        "gists": np.clip(np.round(gists / scales[:, None].astype(np.float64)), -127, 127).astype(np.int8),
        "gist_scales": scales,
        "gist_words": chance.integers(-(2**63), 2**63 - 1, (count, SHAPE.lanes)),
    }
    return Shard(**arrays)


def add_documents(store: Store, documents: list[tuple[str, str, int, int]]) -> Snapshot:
    """Make a snapshot of documents, each a path, a name, a seed of its shard and a number of pages (0 for none)."""
    stored = {}
    for path, name, seed, pages in documents:
        shard = make_shard(seed, 1 + seed % 3, pages)
        digest, data = pack_shard(shard, SHAPE.fingerprint)
        keep_shard(store.home, digest, data)
        source = hashlib.sha256(f"{seed} {pages}".encode()).hexdigest()
        facts = source, 1000 + seed, pages or None, int(shard.sentences.sum()), shard.memories, SHAPE.fingerprint, digest
        new = NewDocument(path, name, *facts)
        stored[place_of(new)] = store.add_document(new, len(data))
    return store.add_snapshot(list(stored.values()), SHAPE.fingerprint)


@dataclass(frozen=True)
class Export:
    """What is in an export."""

    rows: list[dict]  # of documents.json
    shards: dict[str, bytes]  # by digest
    manifest: dict | None = None  # what is to be other than it should be
    table: bytes | None = None

    def members(self) -> list[tuple[str, bytes]]:
        """Names and data, all digests right."""
        rows = sorted(self.rows, key=lambda r: [str(r.get(f)) for f in ("path", "name", "source_sha256", "shard")])
        table = self.table
        if table is None:
            table = b"[\n" + b",\n".join(json.dumps(row).encode() for row in rows) + b"\n]\n"
        manifest = json.loads(encode_manifest(SHAPE.fingerprint, digest_of_rows(rows), table)) | (self.manifest or {})
        data = json.dumps({name: value for name, value in manifest.items() if value is not ...}).encode()
        shards = [(f"shards/{digest}.safetensors", shard) for digest, shard in sorted(self.shards.items())]
        return [("manifest.json", data), ("documents.json", table), *shards]

    def file(self) -> bytes:
        return container(self.members())


def digest_of_rows(rows: list[dict]) -> str:
    try:
        return digest_of([NewDocument(**row) for row in rows], SHAPE.fingerprint)
    except (TypeError, ValueError):
        return "0" * 64


def container(members: list[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    writer = Writer(file)
    for name, data in members:
        writer.add(name, data)
    writer.finish()
    return file.getvalue()


def seal(data: bytes) -> bytes:
    """``data`` with its seal, which it must have room for, made right."""
    return data[:-SEAL] + hashlib.sha256(data[:-SEAL]).hexdigest().encode()


def read_export(store: Store, snapshot: Snapshot) -> Export:
    documents = store.documents(snapshot)
    names = [field.name for field in fields(NewDocument)]
    rows = [{name: asdict(d)[name] for name in names} for d in documents]
    return Export(rows, {d.shard: shard_path(store.home, d.shard).read_bytes() for d in documents})
