"""Export and import of a snapshot as one file: an uncompressed zip sealed by a SHA-256 over all of it, see ``container.py``.

    manifest.json             format, model fingerprint, snapshot digest, SHA-256 of documents.json
    documents.json            what the catalog knows of each document, a line each, sorted
    shards/<sha256>.safetensors, sorted

Equal snapshots make equal files, whatever they are called and whoever writes them. Import reads exactly that, checks all of it
before the store is touched, holding one shard at a time, and never unpickles. Later formats keep the seal and the manifest's place.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO

from titans_cli.errors import DamagedError, TitansError, TooNewError, UsageError
from titans_cli.store.catalog import Catalog
from titans_cli.store.container import Member, Writer, is_sealed, member_at, read_member, read_members
from titans_cli.store.files import sha256_of_file, shard_path, whole_file, write_atomically
from titans_cli.store.records import NewDocument, Snapshot, digest_of
from titans_cli.store.shards import ShardShape, verify_shard

__all__ = ["ExportFile", "export_snapshot", "import_exports", "open_exports"]

FORMAT = 2
SHARD_NAME = re.compile(r"shards/([0-9a-f]{64})\.safetensors")
SHA256 = re.compile(r"[0-9a-f]{64}")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
LARGEST_MANIFEST = 4096
LARGEST_TABLE = 64 * 2**20
LARGEST_SHARD = 2**30
LONGEST_LINE = 128 * 2**10
LONGEST_NAME = 4096
MOST_DOCUMENTS = 200_000
LARGEST_NUMBER = 2**53
FIELDS = [field.name for field in fields(NewDocument)]


# what export writes, byte for byte


def encode_manifest(fingerprint: str, digest: str, table: bytes) -> bytes:
    facts = {"format": FORMAT, "fingerprint": fingerprint, "digest": digest, "documents": hashlib.sha256(table).hexdigest()}
    return json.dumps(facts).encode()


def encode_document(document: NewDocument) -> bytes:
    return json.dumps({name: getattr(document, name) for name in FIELDS}).encode()


def place_of(document: NewDocument) -> tuple[str, str, str, str]:
    """The key by which documents are identified and sorted."""
    return document.path, document.name, document.source_sha256, document.shard


def encode_documents(documents: Sequence[NewDocument]) -> bytes:
    return b"[\n" + b",\n".join(map(encode_document, sorted(documents, key=place_of))) + b"\n]\n"


def shard_name(digest: str) -> str:
    return f"shards/{digest}.safetensors"


def export_snapshot(store: Catalog, snapshot: Snapshot, target: Path) -> int:
    """Write ``snapshot`` to ``target``, which must not exist, and verify its shards; returns the size in bytes."""
    if os.path.lexists(target):
        raise UsageError(f"{target} already exists. Choose another name.")
    documents = store.documents(snapshot)
    for document in documents:
        try:
            check_document(document, snapshot.fingerprint)
        except ValueError as error:  # it could not be imported again
            raise TitansError(f"{document.path!r} cannot be exported: {error}. Rename the file and memorize it again.") from error
    table = encode_documents(documents)
    if len(documents) > MOST_DOCUMENTS or len(table) > LARGEST_TABLE:
        raise TitansError(f"One file cannot hold {len(documents):,} documents. Memorize some of them into another --home.")
    try:
        with whole_file(target) as file:
            writer = Writer(file)
            writer.add("manifest.json", encode_manifest(snapshot.fingerprint, snapshot.digest, table))
            writer.add("documents.json", table)
            for digest in sorted({d.shard for d in documents}):
                writer.add(shard_name(digest), whole_shard(store, digest))
            writer.finish()
    except OSError as error:
        raise TitansError(f"Cannot write {target} ({error.strerror}). Choose another path.") from error
    return target.stat().st_size


def whole_shard(store: Catalog, digest: str) -> bytes:
    """A shard's bytes. Raises DamagedError if they do not match its name, TitansError if no import would accept them."""
    try:
        data = shard_path(store.home, digest).read_bytes()
    except OSError as error:
        raise DamagedError(f"Cannot read the shard {digest} ({error.strerror}). Find its documents with: titans doctor") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedError(f"The shard {digest} is damaged (wrong checksum). Nothing was exported. See how to repair it: titans doctor")
    if len(data) > LARGEST_SHARD:
        raise TitansError(f"The shard {digest} is too large to be exported. Split its document and memorize it again.")
    return data


# import


@dataclass(frozen=True)
class ExportFile:
    """An export that is open and completely verified."""

    path: Path
    file: BinaryIO
    documents: tuple[NewDocument, ...]
    shards: dict[str, Member]  # by digest


@contextmanager
def open_exports(paths: Sequence[Path], shape: ShardShape, max_size: int) -> Iterator[list[ExportFile]]:
    """Open and verify exports of at most ``max_size`` bytes each. Raises TitansError. Needs and touches no store."""
    with ExitStack() as stack:
        exports = []
        for path in paths:
            try:
                if not path.is_file() and path.exists():  # opening a pipe would wait for ever
                    raise UsageError(f"{path} is not a file. Name a file written by titans export.")
                file = stack.enter_context(path.open("rb"))
                exports.append(verify(file, path, shape, max_size))
            except OSError as error:
                raise TitansError(f"Cannot read {path} ({error.strerror}). Check the path.") from error
        yield exports


def verify(file: BinaryIO, path: Path, shape: ShardShape, max_size: int) -> ExportFile:
    """Check every byte of an export. Raises UsageError, DamagedError or TooNewError."""
    size = os.fstat(file.fileno()).st_size
    if size > max_size:
        raise UsageError(f"{path} has {size / 1e9:,.2f} GB, more than {max_size / 1e9:,.2f} GB. If you trust the file, raise --max-size.")
    if not is_sealed(file, size):
        raise DamagedError(f"{path} is not a complete titans export (wrong checksum). Nothing was imported. Export it again.")
    try:
        manifest = read_manifest(file, path, size, shape.fingerprint)
        members = read_members(file, size, MOST_DOCUMENTS + 2, check_place)
        if len(members) < 2:
            raise ValueError("it contains no documents.json")
        table = read_member(file, members[1])
        if hashlib.sha256(table).hexdigest() != manifest["documents"]:
            raise ValueError("the checksum of documents.json is wrong")
        documents = decode_documents(table, shape.fingerprint)
        if digest_of(documents, shape.fingerprint) != manifest["digest"]:
            raise ValueError("its documents do not match its manifest")
        shards = {Path(member.name).stem: member for member in members[2:]}
        verify_shards(file, path, shape, documents, shards)
    except ValueError as error:
        raise DamagedError(f"{path} is not a valid titans export: {error}. Nothing was imported. Export it again.") from error
    return ExportFile(path, file, tuple(documents), shards)


def read_object(text: bytes, what: str) -> dict:
    """A JSON object. Raises ValueError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} is not JSON") from error
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not a JSON object")
    return value


def read_manifest(file: BinaryIO, path: Path, size: int, fingerprint: str) -> dict[str, str]:
    """The manifest. Raises TooNewError if a newer program or other model weights wrote it, and ValueError."""
    first = member_at(file, 0, size)
    if first is None or first.name != "manifest.json" or first.size > LARGEST_MANIFEST:
        raise ValueError("it does not start with a manifest")
    data = read_member(file, first)
    manifest = read_object(data, "its manifest")
    if type(manifest.get("format")) is not int:
        raise ValueError("its manifest has no format")
    if manifest["format"] > FORMAT:
        raise TooNewError(f"{path} was written by a newer titans. Upgrade: pip install --upgrade titans-cli")
    if manifest["format"] < FORMAT:
        raise ValueError("it was written by an older titans")
    if manifest.keys() != {"format", "fingerprint", "digest", "documents"} or json.dumps(manifest).encode() != data:
        raise ValueError("titans does not write such a manifest")
    for name in ("fingerprint", "digest", "documents"):
        if not isinstance(manifest[name], str) or not SHA256.fullmatch(manifest[name]):
            raise ValueError(f"{name} in its manifest is not a SHA-256")
    if manifest["fingerprint"] != fingerprint:
        raise TooNewError(
            f"{path} was written with other model weights ({manifest['fingerprint'][:12]}, here {fingerprint[:12]}). Install the titans "
            "that wrote it, or memorize the documents again."
        )
    return manifest


def check_place(before: Sequence[Member], member: Member) -> None:
    """Check that a member may follow those ``before``. Raises ValueError."""
    tables = {0: ("manifest.json", LARGEST_MANIFEST), 1: ("documents.json", LARGEST_TABLE)}
    name, largest = tables.get(len(before), (member.name, LARGEST_SHARD))
    if member.name != name or (len(before) > 1 and not SHARD_NAME.fullmatch(member.name)):
        raise ValueError(f"{member.name[:100]!r} is an unknown file, or in the wrong place")
    if len(before) > 2 and member.name <= before[-1].name:
        raise ValueError("a shard is repeated or in the wrong place")
    if member.size > largest:
        raise ValueError(f"{member.name} has {member.size:,} bytes, more than the limit of {largest:,}")


def decode_documents(table: bytes, fingerprint: str) -> list[NewDocument]:
    """The documents, parsed line by line so that a table needs little more memory than its size. Raises ValueError."""
    body = table.removeprefix(b"[\n").removesuffix(b"\n]\n")
    if len(table) - len(body) != 5 or body.count(b"\n") >= MOST_DOCUMENTS:
        raise ValueError("documents.json is not a list, or has too many lines")
    documents: list[NewDocument] = []
    for line in body.split(b",\n") if body else []:
        if len(line) > LONGEST_LINE:
            raise ValueError("a line of documents.json is too long")
        row = read_object(line, "a line of documents.json")
        if list(row) != FIELDS:
            raise ValueError("a document has the wrong fields")
        document = NewDocument(**row)
        check_document(document, fingerprint)
        if encode_document(document) != line:
            raise ValueError("titans does not write such a line of documents.json")
        if documents and place_of(document) <= place_of(documents[-1]):
            raise ValueError("a document is repeated or in the wrong place")
        documents.append(document)
    return documents


def check_document(document: NewDocument, fingerprint: str) -> None:
    """Check types, lengths and ranges. Raises ValueError."""
    for name in ("path", "name"):
        value = getattr(document, name)
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
            raise ValueError(f"the {name} of a document does not have 1 to {LONGEST_NAME:,} characters")
        if CONTROL.search(value):
            raise ValueError(f"the {name} of a document contains control characters")
    for name in ("source_sha256", "shard"):
        value = getattr(document, name)
        if not isinstance(value, str) or not SHA256.fullmatch(value):
            raise ValueError(f"the {name} of a document is not a SHA-256")
    for name, least in (("source_bytes", 0), ("pages", 1), ("tokens", 1), ("memories", 1)):
        value = getattr(document, name)
        if not (type(value) is int and least <= value <= LARGEST_NUMBER) and not (name == "pages" and value is None):
            raise ValueError(f"a document has an impossible number of {name}")
    if document.fingerprint != fingerprint:
        raise ValueError("one of its documents was written with other model weights")


def verify_shards(file: BinaryIO, path: Path, shape: ShardShape, documents: Sequence[NewDocument], shards: dict[str, Member]) -> None:
    """Verify one shard after the other, and that the documents match them. Raises ValueError or TooNewError."""
    if {d.shard for d in documents} != shards.keys():
        raise ValueError("its documents do not match its shards")
    facts = {}
    for digest, member in shards.items():
        data = read_member(file, member)
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"the contents of {member.name} do not match its name")
        try:
            shard = verify_shard(data, member.name, shape)
        except DamagedError as error:
            raise ValueError(str(error).rstrip(".")) from error
        except TooNewError as error:
            raise TooNewError(f"{path} contains shards of a newer titans. Upgrade: pip install --upgrade titans-cli") from error
        facts[digest] = shard.memories, int(shard.sentences.sum()), int(shard.pages.max())
    for document in documents:
        memories, tokens, last = facts[document.shard]
        if (document.memories, document.tokens) != (memories, tokens) or last > (document.pages or 0):
            raise ValueError("its documents do not match what their shards contain")


def import_exports(store: Catalog, exports: Sequence[ExportFile], fingerprint: str) -> Snapshot:
    """Add verified exports to the head, and keep the head before as a snapshot; returns the new head.

    The result is the union: documents are the same if file, content and memories are the same, so neither the order nor the number of
    imports matters. Raises TitansError, and then leaves nothing behind.
    """
    if store.head() is not None:
        store.require_head(fingerprint)
    written: list[Path] = []
    try:
        copy_shards(store.home, exports, written)
        with store.transaction():
            head = store.head()
            documents = {place_of(d): d for d in store.documents(head)} if head else {}
            known = len(documents)
            for export in exports:
                for new in export.documents:
                    if place_of(new) not in documents:
                        documents[place_of(new)] = store.add_document(new, export.shards[new.shard].size, imported=True)
            if head is not None and len(documents) == known:
                return head
            if head is not None:
                store.keep_head("import")
            return store.add_snapshot(list(documents.values()), fingerprint)
    except BaseException:
        recorded = store.shards()  # an interruption may come when all is recorded already
        remove(store.home / "shards", [path for path in written if path.stem not in recorded])
        raise


def copy_shards(home: Path, exports: Sequence[ExportFile], written: list[Path]) -> None:
    """Write the shards that the store lacks, and list them in ``written``. Raises TitansError."""
    wanted = {shard_path(home, digest): (export, digest) for export in exports for digest in export.shards}
    try:
        missing = {path: origin for path, origin in wanted.items() if not path.is_file() or sha256_of_file(path) != origin[1]}
        needed = sum(export.shards[digest].size for export, digest in missing.values())
        free = shutil.disk_usage(home).free
        if needed > free:
            raise TitansError(
                f"{home} needs {needed / 1e9:,.2f} GB and has {free / 1e9:,.2f} GB free. Nothing was imported. Free some space."
            )
        for path, (export, digest) in missing.items():
            data = shard_again(export, digest)
            if not path.exists():
                written.append(path)
            write_atomically(path, data)
    except OSError as error:
        raise TitansError(f"Cannot write to {home} ({error.strerror}). Nothing was imported. Check its disk, then import again.") from error


def shard_again(export: ExportFile, digest: str) -> bytes:
    """The shard that was verified. Raises DamagedError if the file has changed since."""
    try:
        data = read_member(export.file, export.shards[digest])
        if hashlib.sha256(data).hexdigest() == digest:
            return data
    except ValueError:
        pass
    raise DamagedError(f"{export.path} changed during the import. Nothing was imported. Import it again.")


def remove(folder: Path, written: Sequence[Path]) -> None:
    """Delete shards below ``folder`` that no document refers to, and folders that become empty."""
    for path in written:
        path.unlink(missing_ok=True)
    for left in [*{path.parent for path in written}, folder]:
        if left.is_dir() and not any(left.iterdir()):
            left.rmdir()
