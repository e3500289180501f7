"""Export and import of a snapshot as one file: an uncompressed zip sealed by a SHA-256 over all of it.

    manifest.json             format, model fingerprint, snapshot digest, SHA-256 and size of every other file
    documents.json            what the index knows of each document
    shards/<sha256>.safetensors
    (zip comment)             SHA-256 of every byte before it

Import reads these names and no others, checks everything before the store is touched, and never unpickles.
"""

import hashlib
import json
import os
import re
import zipfile
from dataclasses import asdict, fields
from pathlib import Path

from titans_cli.errors import DamagedError, TitansError, TooNewError, UsageError
from titans_cli.store.files import write_atomically
from titans_cli.store.shards import parse_shard, shard_path
from titans_cli.store.store import NewDocument, Snapshot, Store, StoredDocument, digest_of

__all__ = ["export_snapshot", "import_archive"]

FORMAT = 1
SHARD_NAME = re.compile(r"shards/([0-9a-f]{64})\.safetensors")
LARGEST_TABLE = 512 * 2**20
SEAL = 64


def export_snapshot(store: Store, snapshot: Snapshot, target: Path) -> int:
    """Write ``snapshot`` to ``target``, which must not exist; returns its size in bytes. Shards are checked on the way."""
    if target.exists():
        raise UsageError(f"{target} exists already. Choose another name.")
    documents = store.documents(snapshot)
    table = json.dumps([{k: v for k, v in asdict(d).items() if k != "id"} for d in documents]).encode()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        write_zip(store, snapshot, documents, table, part)
        seal(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise TitansError(f"Cannot write {target} ({error.strerror}). Choose another place.") from error
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def write_zip(store: Store, snapshot: Snapshot, documents: list[StoredDocument], table: bytes, part: Path) -> None:
    listed = {"documents.json": {"sha256": hashlib.sha256(table).hexdigest(), "bytes": len(table)}}
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        add(archive, "documents.json", table)
        for digest in sorted({d.shard for d in documents}):
            try:
                data = shard_path(store.home, digest).read_bytes()
            except OSError as error:
                raise DamagedError(f"The store has lost the shard {digest} ({error.strerror}).") from error
            if hashlib.sha256(data).hexdigest() != digest:
                raise DamagedError(f"The shard {digest} is damaged (its checksum differs); nothing was exported.")
            listed[f"shards/{digest}.safetensors"] = {"sha256": digest, "bytes": len(data)}
            add(archive, f"shards/{digest}.safetensors", data)
        manifest = {
            "format": FORMAT,
            "name": snapshot.name,
            "fingerprint": snapshot.fingerprint,
            "digest": snapshot.digest,
            "files": listed,
        }
        add(archive, "manifest.json", json.dumps(manifest).encode())
        archive.comment = b"0" * SEAL


def add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """A member without time or owner, so that equal snapshots make equal files."""
    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def hash_of_all_but_seal(path: Path) -> bytes:
    left = path.stat().st_size - SEAL
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, 2**20))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest().encode()


def seal(path: Path) -> None:
    digest = hash_of_all_but_seal(path)
    with path.open("r+b") as file:
        file.seek(-SEAL, os.SEEK_END)
        file.write(digest)


def check_seal(path: Path) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - SEAL))
            found = file.read()
        if size <= SEAL or found != hash_of_all_but_seal(path):
            raise DamagedError(f"{path} is not a whole titans export (its checksum differs). Export it again. Nothing was imported.")
    except OSError as error:
        raise TitansError(f"Cannot read {path} ({error.strerror}). Check the path.") from error


def import_archive(store: Store, path: Path, fingerprint: str) -> Snapshot:
    """Verify the export ``path`` and merge its documents into the head; returns the new head.

    A document of a path that is memorized already is replaced. Raises DamagedError or TooNewError before anything is changed.
    """
    check_seal(path)
    try:
        with zipfile.ZipFile(path) as archive:
            documents, sizes = verify(archive, path, fingerprint)
            for digest in sizes:
                target = shard_path(store.home, digest)
                if not target.exists():
                    write_atomically(target, archive.read(f"shards/{digest}.safetensors"))
    except zipfile.BadZipFile as error:
        raise DamagedError(f"{path} is not a titans export ({error}). Nothing was imported.") from error
    stored = []
    with store.db.atomic():
        for document in documents:
            stored.append(store.find_same(document) or store.add_document(document, sizes[document.shard]))
        head = store.head()
        if head is not None and head.fingerprint == fingerprint:
            replaced = {d.path for d in stored}
            stored += [d for d in store.documents(head) if d.path not in replaced]
        return store.add_snapshot(stored, fingerprint)


def verify(archive: zipfile.ZipFile, path: Path, fingerprint: str) -> tuple[list[NewDocument], dict[str, int]]:
    """Check every name, size, digest, type and number; returns the documents, and each shard's bytes."""

    def wrong(what: str) -> DamagedError:
        return DamagedError(f"{path} is not a sound titans export: {what}. Nothing was imported.")

    infos = {info.filename: info for info in archive.infolist()}
    if len(infos) != len(archive.infolist()) or not {"manifest.json", "documents.json"} <= infos.keys():
        raise wrong("its list of files is not right")
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos.values()) or infos["manifest.json"].file_size > LARGEST_TABLE:
        raise wrong("it is compressed or too large")
    try:
        manifest = json.loads(archive.read("manifest.json"))
        if manifest["format"] > FORMAT:
            raise TooNewError(f"{path} was written by a newer titans. Upgrade: pip install --upgrade titans")
        if manifest["fingerprint"] != fingerprint:
            raise TooNewError(f"{path} was written by other model weights ({manifest['fingerprint'][:12]}); these are {fingerprint[:12]}.")
        if manifest["files"].keys() != infos.keys() - {"manifest.json"}:
            raise wrong("its list of files differs from its manifest")
        sizes, counts = {}, {}
        for name, facts in manifest["files"].items():
            if infos[name].file_size != facts["bytes"] or (name == "documents.json" and facts["bytes"] > LARGEST_TABLE):
                raise wrong(f"the size of {name} differs")
            data = archive.read(name)
            if hashlib.sha256(data).hexdigest() != facts["sha256"]:
                raise wrong(f"the checksum of {name} differs")
            if name != "documents.json":
                match = SHARD_NAME.fullmatch(name)
                if match is None or match[1] != facts["sha256"]:
                    raise wrong(f"{name!r} is no name of a shard")
                counts[match[1]] = parse_shard(data, f"{name} in {path}").memories
                sizes[match[1]] = len(data)
        documents = [parse_document(row) for row in json.loads(archive.read("documents.json"))]
        fitting = {d.shard for d in documents} == sizes.keys() and all(counts[d.shard] == d.memories for d in documents)
        if not fitting or digest_of(documents, fingerprint) != manifest["digest"] or any(d.fingerprint != fingerprint for d in documents):
            raise wrong("its documents do not fit its shards")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise wrong(f"its tables are malformed ({error})") from error
    return documents, sizes


def parse_document(row: dict) -> NewDocument:
    """A document from JSON. Raises ValueError or TypeError."""
    document = NewDocument(**row)
    numbers = {"source_bytes", "tokens", "memories"}
    for field in fields(document):
        value = getattr(document, field.name)
        fits = type(value) is int and value >= 0 if field.name in numbers else isinstance(value, str)
        if field.name == "pages":
            fits = value is None or (type(value) is int and value > 0)
        if not fits:
            raise ValueError(f"{field.name} of a document")
    return document
