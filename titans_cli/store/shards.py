"""A shard: one document's memories in one immutable safetensors file, named by its SHA-256.

    weights     uint8   [r, bytes]   rows of all memories' weights, packed
    rows        uint8   [m]          rows of each memory
    scales      float16 [m]
    pages       int32   [m]          page of each memory, 0 where the document has none
    checksums   uint8   [m, 8]       of the tokens that the memory recites
    sentences   int16   [s]          tokens of each sentence
    owners      int32   [s]          memory of each sentence, ascending
    gists       int8    [s, g]       sentence gists: meaning
    gist_scales float16 [s]
    gist_words  int64   [s, l]       sentence gists: filters of words

No text, and nothing from which text is read but the weights.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

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
    "weights": torch.uint8,
    "rows": torch.uint8,
    "scales": torch.float16,
    "pages": torch.int32,
    "checksums": torch.uint8,
    "sentences": torch.int16,
    "owners": torch.int32,
    "gists": torch.int8,
    "gist_scales": torch.float16,
    "gist_words": torch.int64,
}
NAMES = {
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
    torch.float16: "F16",
}
"""What safetensors calls the types."""


@dataclass(frozen=True)
class ShardShape:
    """What the shards that a model writes look like, see ``titans_cli.models``."""

    fingerprint: str  # of the model's weights
    row_bytes: int  # of one row of a memory's weights
    least_rows: int  # of a memory
    most_rows: int
    rows_step: int  # rows come in multiples of it
    segment: int  # most tokens of a memory
    gist: int  # features of a gist's vector
    lanes: int  # of its filter of words


@dataclass(frozen=True)
class Shard:
    """See the module's docstring."""

    weights: Tensor
    rows: Tensor
    scales: Tensor
    pages: Tensor
    checksums: Tensor
    sentences: Tensor
    owners: Tensor
    gists: Tensor
    gist_scales: Tensor
    gist_words: Tensor

    @property
    def memories(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> Tensor:
        """Tokens of each memory, int64 [m]."""
        return torch.zeros(self.memories, dtype=torch.int64).index_add_(0, self.owners.long(), self.sentences.long())

    @classmethod
    def join(cls, parts: "Sequence[Shard]") -> "Shard":
        """Consecutive parts of one document as one shard."""
        first, owners = 0, []
        for part in parts:
            owners.append(part.owners + first)
            first += part.memories
        joined = {f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls) if f.name != "owners"}
        return cls(owners=torch.cat(owners), **joined)


def pack_shard(shard: Shard, fingerprint: str) -> tuple[str, bytes]:
    """The SHA-256 and the bytes of ``shard`` as a file."""
    tensors = {f.name: getattr(shard, f.name).contiguous() for f in fields(shard)}
    data = save(tensors, {"titans": f"{FORMAT} {fingerprint}"})  # one entry only: safetensors writes several in random order
    return hashlib.sha256(data).hexdigest(), data


def keep_shard(home: Path, digest: str, data: bytes) -> None:
    """Store the shard ``data``, whose SHA-256 is ``digest``, unless it is there already."""
    path = shard_path(home, digest)
    if not path.exists() or path.stat().st_size != len(data):
        write_atomically(path, data)


def read_shard(home: Path, digest: str) -> Shard:
    """The shard of that name. Raises DamagedError when it is missing or is not what its name says."""
    path = shard_path(home, digest)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"The store has lost {path} ({error.strerror}). Import a backup, or memorize the documents again.") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedError(f"{path} is damaged (its checksum differs). Delete it and memorize its document again.")
    return parse_shard(data, str(path))


def parse_shard(data: bytes, name: str) -> Shard:
    """Check every tensor's name, type, shape and range. Raises DamagedError."""
    try:
        tensors = load(data)
    except (SafetensorError, ValueError) as error:
        raise DamagedError(f"{name} is not a shard ({error}).") from error
    if {key: t.dtype for key, t in tensors.items()} != DTYPES:
        raise DamagedError(f"{name} does not hold a shard's tensors.")
    shard = Shard(**tensors)
    m, s = len(shard.rows), len(shard.gists)
    ranks = {"weights": 2, "checksums": 2, "gists": 2, "gist_words": 2}
    sound = all(t.dim() == ranks.get(key, 1) for key, t in tensors.items())
    sound = sound and len(shard.scales) == len(shard.pages) == len(shard.checksums) == m and shard.checksums.shape[1:] == (8,)
    sound = sound and bool((shard.rows > 0).all()) and int(shard.rows.sum()) == len(shard.weights)
    sound = sound and len(shard.sentences) == len(shard.owners) == len(shard.gist_scales) == len(shard.gist_words) == s
    if sound and s:
        owners = shard.owners
        sound = bool(owners[0] == 0 and owners[-1] == m - 1 and ((owners.diff() == 0) | (owners.diff() == 1)).all())
        sound = sound and bool((shard.sentences > 0).all() and (shard.pages >= 0).all())
    if not sound or (m == 0) != (s == 0):
        raise DamagedError(f"The tensors of {name} do not fit together.")
    if not (shard.scales.isfinite().all() and shard.gist_scales.isfinite().all()):
        raise DamagedError(f"{name} holds numbers that are not finite.")
    return shard


LONGEST_GIST = 1.02
"""Gists are unit vectors; rounding makes them longer by a quarter of a percent."""


def verify_shard(data: bytes, name: str, shape: ShardShape) -> Shard:
    """Check that ``data`` are what a model of that ``shape`` could have written. Raises DamagedError, and TooNewError for newer formats."""
    check_header(data, name, shape.fingerprint)
    shard = parse_shard(data, name)
    if (
        shard.weights.shape[1:] != (shape.row_bytes,)
        or shard.gists.shape[1:] != (shape.gist,)
        or shard.gist_words.shape[1:] != (shape.lanes,)
    ):
        raise DamagedError(f"The tensors of {name} do not have this model's shapes.")
    if not shard.memories:
        raise DamagedError(f"{name} holds no memory.")
    rows = shard.rows
    if rows.min() < shape.least_rows or rows.max() > shape.most_rows or (rows % shape.rows_step).any():
        raise DamagedError(f"{name} holds memories of more or fewer rows than this model writes.")
    if shard.lengths.max() > shape.segment:  # none has less than one: each owns a sentence, and each sentence has tokens
        raise DamagedError(f"{name} holds memories of more tokens than this model writes.")
    lengths = shard.gists.float().norm(dim=1) * shard.gist_scales.float()
    if (shard.scales <= 0).any() or (shard.gist_scales <= 0).any() or (shard.gists == -128).any() or (lengths > LONGEST_GIST).any():
        raise DamagedError(f"{name} holds numbers that this model does not write.")
    return shard


def check_header(data: bytes, name: str, fingerprint: str) -> None:
    """Check that the header says what ``pack_shard`` writes and nothing else. Raises DamagedError or TooNewError."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(LONGEST_HEADER, len(data) - 8):
        raise DamagedError(f"{name} is not a shard (its header does not fit).")
    text = data[8 : 8 + length].rstrip(b" ")
    try:
        try:
            header = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError("its header is not JSON") from error
        if json.dumps(header, separators=(",", ":")).encode() != text or length - len(text) >= 8:  # spaces, names given twice
            raise ValueError("its header is not as titans writes it")
        metadata = header.pop("__metadata__", None) if isinstance(header, dict) else None
        if (
            not isinstance(metadata, dict)
            or metadata.keys() != {"titans"}
            or not re.fullmatch("[0-9]{1,9} [0-9a-f]{64}", str(metadata["titans"]))
        ):
            raise ValueError("its header does not say what wrote it")
        version, writer = metadata["titans"].split()
        if int(version) > FORMAT:
            raise TooNewError(f"{name} was written by a newer titans. Upgrade: pip install --upgrade titans")
        if (version, writer) != (str(FORMAT), fingerprint):
            raise ValueError("other model weights wrote it")
        if header.keys() != DTYPES.keys() or not all(is_entry(entry, NAMES[DTYPES[key]]) for key, entry in header.items()):
            raise ValueError("it does not hold a shard's tensors")
    except ValueError as error:
        raise DamagedError(f"{name} is not a shard ({error}).") from error


def is_entry(entry: object, dtype: str) -> bool:
    """Whether a header's entry for a tensor of that type is well formed; whether it fits the data, safetensors finds out."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"} or entry["dtype"] != dtype:
        return False
    return all(
        isinstance(of, list) and all(type(n) is int and 0 <= n < 2**63 for n in of) for of in (entry["shape"], entry["data_offsets"])
    )
