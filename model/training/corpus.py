"""The training text: folders of plain text, split once into training and held-out files.

A file is held out when the CRC-32 of its name falls in one of twenty buckets, so that the tokenizer, the memorizer
and the benchmarks hold out the same files without a list.
"""

import random
import sysconfig
import zlib
from pathlib import Path

__all__ = ["PROSE", "is_held_out", "load_texts", "number_table"]

PROSE = ("squad_wiki_articles", "english_novels_100")
"""Folders that count as prose in the benchmarks."""


def is_held_out(name: str) -> bool:
    """True for about one file name in twenty."""
    return zlib.crc32(name.encode()) % 20 == 7


def load_texts(root: Path, held_out: bool, limit: int = 4_000_000) -> dict[str, list[str]]:
    """Texts by folder name, at most ``limit`` characters of each file.

    Python's own standard library stands in as the ``code`` folder.
    """
    files = {folder.name: sorted(p for p in folder.rglob("*") if p.is_file()) for folder in sorted(root.iterdir()) if folder.is_dir()}
    files["code"] = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts: dict[str, list[str]] = {}
    for folder, paths in files.items():
        if folder == "babi":
            continue
        for path in paths:
            if is_held_out(path.name) == held_out:
                text = path.read_text("utf-8", errors="replace")[:limit]
                if len(text) > 200:
                    texts.setdefault(folder, []).append(text)
    return texts


def number_table(rng: random.Random, rows: int = 40) -> str:
    """A synthetic table: dates, part numbers, prices, hex digests, UUIDs and measurements."""
    makers = (
        lambda: str(rng.randrange(10 ** rng.randrange(1, 10))),
        lambda: f"{rng.uniform(0, 10 ** rng.randrange(1, 6)):,.{rng.randrange(0, 5)}f}",
        lambda: f"{rng.randrange(1900, 2100)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
        lambda: f"{rng.getrandbits(64):016x}",
        lambda: f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-{rng.getrandbits(16):04x}",
        lambda: "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=3)) + f"-{rng.randrange(10000):04}",
        lambda: f"{rng.uniform(0, 100):.1f} %",
        lambda: f"${rng.randrange(100000):,}",
    )
    columns = [rng.choice(makers) for _ in range(rng.randrange(2, 8))]
    separator = rng.choice(("\t", "  ", " | ", ",", ";"))
    return "\n".join(separator.join(make() for make in columns) for _ in range(rows)) + "\n"
