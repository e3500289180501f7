"""A shard: one document's memories in one immutable safetensors file, named by its SHA-256.

    weights     uint8   [r, bytes]   rows of all memories' weights, packed
    rows        uint8   [m]          rows of each memory
    scales      float16 [m]
    pages       int32   [m]          page of each memory, 0 where the document has none
    checksums   uint8   [m, 8]       of the tokens that the memory recites
    sentences   int16   [s]          tokens of each sentence
    owners      int32   [s]          memory of each sentence, ascending
    gists       int8    [s, g]       vectors of the sentences: meaning
    gist_scales float16 [s]
    gist_words  int64   [s, l]       filters of their words

No text, and nothing from which text is read but the weights.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from titans_cli.errors import DamagedError, TooNewError
from titans_cli.store.files import shard_path, write_atomically

__all__ = [
    "Shard",
    "ShardShape",
    "keep_shard",
    "pack_shard",
    "parse_shard",
    "read_shard",
    "verify_shard",
]

FORMAT = 1
LONGEST_HEADER = 4096
DTYPES = {
    "weights": "U8",
    "rows": "U8",
    "scales": "F16",
    "pages": "I32",
    "checksums": "U8",
    "sentences": "I16",
    "owners": "I32",
    "gists": "I8",
    "gist_scales": "F16",
    "gist_words": "I64",
}
"""The type of each array, by its name in safetensors."""
NUMPY = {"U8": np.uint8, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64, "F16": np.float16}
RANKS = {name: 2 if name in ("weights", "checksums", "gists", "gist_words") else 1 for name in DTYPES}
LONGEST_VECTOR = 1.02
"""Sentence vectors have unit length; rounding makes them longer by a quarter of a percent."""


@dataclass(frozen=True)
class ShardShape:
    """The shape of the shards that a model writes, see ``titans_cli.models``."""

    fingerprint: str  # of the model's weights
    row_bytes: int  # of one row of a memory's weights
    least_rows: int  # of a memory
    most_rows: int
    rows_step: int  # rows come in multiples of it
    segment: int  # most tokens of a memory
    vector: int  # features of a sentence vector
    lanes: int  # of its filter of words


@dataclass(frozen=True)
class Shard:
    """The arrays of a shard, see the module's docstring."""

    weights: np.ndarray
    rows: np.ndarray
    scales: np.ndarray
    pages: np.ndarray
    checksums: np.ndarray
    sentences: np.ndarray
    owners: np.ndarray
    gists: np.ndarray
    gist_scales: np.ndarray
    gist_words: np.ndarray

    @property
    def memories(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each memory, int64 [m]."""
        return np.bincount(self.owners, self.sentences, minlength=self.memories).astype(np.int64)

    @classmethod
    def join(cls, parts: "Sequence[Shard]") -> "Shard":
        """Join consecutive parts of one document into one shard."""
        first, owners = 0, []
        for part in parts:
            owners.append(part.owners + np.int32(first))
            first += part.memories
        joined = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls) if f.name != "owners"}
        return cls(owners=np.concatenate(owners), **joined)


def pack_shard(shard: Shard, fingerprint: str) -> tuple[str, bytes]:
    """The SHA-256 and the bytes of ``shard`` as a file."""
    arrays = {f.name: np.ascontiguousarray(getattr(shard, f.name)) for f in fields(shard)}
    data = save(arrays, {"titans": f"{FORMAT} {fingerprint}"})  # one entry only: safetensors writes several in random order
    return hashlib.sha256(data).hexdigest(), data


def keep_shard(home: Path, digest: str, data: bytes) -> None:
    """Store the shard ``data``, whose SHA-256 is ``digest``, unless it exists already."""
    path = shard_path(home, digest)
    if not path.exists() or path.stat().st_size != len(data):
        write_atomically(path, data)


def read_shard(home: Path, digest: str) -> Shard:
    """The shard with that digest. Raises DamagedError if it is missing or does not match its name."""
    path = shard_path(home, digest)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"Cannot read {path} ({error.strerror}). Import a backup, or memorize the documents again.") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedError(f"{path} is damaged (wrong checksum). Delete it and memorize its document again.")
    return parse_shard(data, str(path))


def parse_shard(data: bytes, name: str) -> Shard:
    """Check every array's name, type, shape and range. Raises DamagedError."""
    try:
        arrays = load(data)
    except (SafetensorError, ValueError, KeyError) as error:  # KeyError: a type that numpy has not
        raise DamagedError(f"{name} is not a shard ({error}).") from error
    if {key: array.dtype for key, array in arrays.items()} != {key: np.dtype(NUMPY[dtype]) for key, dtype in DTYPES.items()}:
        raise DamagedError(f"{name} does not contain a shard's tensors.")
    shard = Shard(**arrays)
    if any(array.ndim != RANKS[key] for key, array in arrays.items()) or not fits_together(shard):
        raise DamagedError(f"The tensors of {name} do not match each other.")
    if not (np.isfinite(shard.scales).all() and np.isfinite(shard.gist_scales).all()):
        raise DamagedError(f"{name} contains numbers that are not finite.")
    return shard


def fits_together(shard: Shard) -> bool:
    """Whether the arrays' lengths match, each memory has rows, and each sentence has tokens and an owner."""
    m, s = len(shard.rows), len(shard.gists)
    if not len(shard.scales) == len(shard.pages) == len(shard.checksums) == m or shard.checksums.shape[1:] != (8,):
        return False
    if not (shard.rows > 0).all() or int(shard.rows.sum(dtype=np.int64)) != len(shard.weights):
        return False
    if not len(shard.sentences) == len(shard.owners) == len(shard.gist_scales) == len(shard.gist_words) == s or (m == 0) != (s == 0):
        return False
    if s == 0:
        return True
    steps = np.diff(shard.owners.astype(np.int64))
    in_order = shard.owners[0] == 0 and shard.owners[-1] == m - 1 and ((steps == 0) | (steps == 1)).all()
    return bool(in_order and (shard.sentences > 0).all() and (shard.pages >= 0).all())


def verify_shard(data: bytes, name: str, shape: ShardShape) -> Shard:
    """Check that a model of that ``shape`` could have written ``data``. Raises DamagedError, and TooNewError for newer formats."""
    check_header(data, name, shape.fingerprint)
    shard = parse_shard(data, name)
    if (
        shard.weights.shape[1:] != (shape.row_bytes,)
        or shard.gists.shape[1:] != (shape.vector,)
        or shard.gist_words.shape[1:] != (shape.lanes,)
    ):
        raise DamagedError(f"The tensors of {name} have the wrong shapes for this model.")
    if not shard.memories:
        raise DamagedError(f"{name} contains no memories.")
    rows = shard.rows
    if rows.min() < shape.least_rows or rows.max() > shape.most_rows or (rows % shape.rows_step).any():
        raise DamagedError(f"{name} contains memories with more or fewer rows than this model writes.")
    if shard.lengths.max() > shape.segment:  # none has less than one: each owns a sentence, and each sentence has tokens
        raise DamagedError(f"{name} contains memories with more tokens than this model writes.")
    lengths = np.linalg.norm(shard.gists.astype(np.float32), axis=1) * shard.gist_scales.astype(np.float32)
    if (shard.scales <= 0).any() or (shard.gist_scales <= 0).any() or (shard.gists == -128).any() or (lengths > LONGEST_VECTOR).any():
        raise DamagedError(f"{name} contains numbers that this model does not write.")
    return shard


def check_header(data: bytes, name: str, fingerprint: str) -> None:
    """Check that the header contains exactly what ``pack_shard`` writes. Raises DamagedError or TooNewError."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(LONGEST_HEADER, len(data) - 8):
        raise DamagedError(f"{name} is not a shard (its header is too long or cut off).")
    text = data[8 : 8 + length].rstrip(b" ")
    try:
        try:
            header = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError("its header is not JSON") from error
        if json.dumps(header, separators=(",", ":")).encode() != text or length - len(text) >= 8:  # spaces, names given twice
            raise ValueError("titans does not write such a header")
        metadata = header.pop("__metadata__", None) if isinstance(header, dict) else None
        if (
            not isinstance(metadata, dict)
            or metadata.keys() != {"titans"}
            or not re.fullmatch("[0-9]{1,9} [0-9a-f]{64}", str(metadata["titans"]))
        ):
            raise ValueError("its header does not say what wrote it")
        version, writer = metadata["titans"].split()
        if int(version) > FORMAT:
            raise TooNewError(f"{name} was written by a newer titans. Upgrade: pip install --upgrade titans-cli")
        if (version, writer) != (str(FORMAT), fingerprint):
            raise ValueError("it was written with other model weights")
        if header.keys() != DTYPES.keys() or not all(is_entry(entry, DTYPES[key]) for key, entry in header.items()):
            raise ValueError("it does not contain a shard's tensors")
    except ValueError as error:
        raise DamagedError(f"{name} is not a shard ({error}).") from error


def is_entry(entry: object, dtype: str) -> bool:
    """Whether a header's entry for a tensor of that type is well formed; safetensors checks that it matches the data."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"} or entry["dtype"] != dtype:
        return False
    return all(
        isinstance(of, list) and all(type(n) is int and 0 <= n < 2**63 for n in of) for of in (entry["shape"], entry["data_offsets"])
    )
