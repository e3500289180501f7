"""The fingerprint of the model's weights. Digests of the files are cached on disk."""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from model.weights_file import WEIGHTS, weight_files
from titans_cli.settings import cache_folder
from titans_cli.store.files import sha256_of_file

__all__ = ["digests_of", "fingerprint_of"]

DIGESTS = "digests.json"


def fingerprint_of(folder: Path = WEIGHTS) -> str:
    """SHA-256 over all weight files. Memories and sentence vectors can only be read with the weights that wrote them."""
    digest = hashlib.sha256()
    for one in digests_of(weight_files(folder), cache_folder() / DIGESTS):
        digest.update(bytes.fromhex(one))
    return digest.hexdigest()


def digests_of(paths: Iterable[Path], cache: Path) -> list[str]:
    """SHA-256 of each file. A file that has not changed since it was last read is not read again.

    The file ``cache`` holds the earlier digests. If it is missing, damaged or cannot be written, all files are read.
    """
    known = read_cache(cache)
    keys = {key_of(path): path for path in paths}
    found = {key: known.get(key) or sha256_of_file(path) for key, path in keys.items()}
    if not found.items() <= known.items():
        write_cache(cache, found)
    return list(found.values())


def key_of(path: Path) -> str:
    """The properties that change when a file is changed or replaced."""
    facts = path.stat()
    return f"{path.absolute()} {facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns} {facts.st_ino}"


def read_cache(cache: Path) -> dict[str, str]:
    try:
        found = json.loads(cache.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str) and is_sha256(value)}


def is_sha256(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def write_cache(cache: Path, digests: dict[str, str]) -> None:
    part = cache.with_name(f".{cache.name}.{os.getpid()}.part")
    with suppress(OSError, UnicodeError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(digests), "utf-8")
        part.replace(cache)
