"""The catalog's record types: documents, snapshots and failures, and the digest over a set of documents."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["BUDGET", "Failure", "NewDocument", "Snapshot", "StoredDocument", "digest_of", "is_automatic"]

BUDGET = "budget"
"""The setting, and the kind of failure that a document dropped to stay within the budget is listed as."""
AUTOMATIC = re.compile(r"auto-.*|before-[a-z]+-\d{8}-\d{6}-\d{6}")


@dataclass(frozen=True)
class NewDocument:
    """A memorized document that is not recorded yet."""

    path: str  # absolute; with it the file is recognised
    name: str  # what answers call it
    source_sha256: str
    source_bytes: int
    pages: int | None
    tokens: int
    memories: int
    fingerprint: str  # of the model that wrote it
    shard: str


@dataclass(frozen=True)
class StoredDocument(NewDocument):
    """A memorized document."""

    id: int
    imported: int  # 1 when it came with an export, and its file was never memorized here; not part of a snapshot's digest


@dataclass(frozen=True)
class Failure:
    """A file that could not be memorized."""

    path: str
    reason: str
    failed: str  # when, UTC
    kind: str  # see ``ingest.errors``; "budget" for what was dropped to stay within the budget
    source_sha256: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """A name for an immutable set of documents."""

    id: int
    name: str
    parent: int | None
    created: str
    fingerprint: str
    digest: str


def is_automatic(name: str) -> bool:
    """Whether the program chose a snapshot's name: pruning deletes old ones, and users cannot choose such names."""
    return AUTOMATIC.fullmatch(name) is not None


def digest_of(documents: Iterable[NewDocument], fingerprint: str) -> str:
    """One SHA-256 over everything that a snapshot holds, independent of reading order and row numbers."""
    rows = sorted([d.path, d.name, d.source_sha256, d.shard] for d in documents)
    return hashlib.sha256(json.dumps([fingerprint, rows], ensure_ascii=True).encode()).hexdigest()
