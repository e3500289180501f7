"""Promise P4: time grows linearly with what is read, and RAM stays flat: one ingest, looked at in ten parts of equal size.

python bench/growth.py --documents FOLDER [FOLDER ...] --work WORK --tokens 10M

The files of all folders are memorized in a shuffled order, so that every tenth holds all kinds of text.
"""

import argparse
import os
import random
import shutil
import threading
import time
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path

import psutil
from common import parse_length, report

from ingest import find_sources
from titans_cli.models import Models
from titans_cli.services.ingest.request import Unheard
from titans_cli.services.ingest.run import ingest

PARTS = 10
CHARACTERS_A_TOKEN = 4.0
"""Of the memorizer's tokens in mixed text, about; files are taken until there should be enough."""


def shuffled(folders: list[Path], tokens: int, target: Path) -> None:
    """Links to the folders' files, in an order of their own, until they hold ``tokens``."""
    sources = [source.path for source in find_sources(folders)[0]]
    random.Random(0).shuffle(sources)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    left = tokens * CHARACTERS_A_TOKEN
    for number, path in enumerate(sources):
        if left <= 0:
            return
        left -= path.stat().st_size
        os.symlink(path, target / f"{number:05}-{path.name}")
    raise SystemExit(f"There are only about {tokens - left / CHARACTERS_A_TOKEN:,.0f} tokens of text.")


class Clock(Unheard):
    """Notes tokens, seconds and processor seconds after every group."""

    def __init__(self) -> None:
        self.tokens = 0
        self.marks = [(0, time.monotonic(), time.process_time())]

    def page(self, number: int | None, tokens: int, share: float) -> None:
        self.tokens += tokens
        self.marks.append((self.tokens, time.monotonic(), time.process_time()))


class Scales(threading.Thread):
    """Watches the memory of this process and its children: proportional set sizes, MiB, with the time."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.weights: list[tuple[float, float]] = []

    def run(self) -> None:
        me = psutil.Process()
        while True:
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:  # it has just ended
                    continue
            self.weights.append((time.monotonic(), total / 2**20))
            time.sleep(1)


def tenths(clock: Clock, scales: Scales) -> list[dict]:
    rows = []
    counts = [tokens for tokens, _, _ in clock.marks]
    edges = [clock.marks[bisect_left(counts, clock.tokens * part / PARTS)] for part in range(PARTS + 1)]
    for part, ((first, begun, cpu), (last, ended, cpu_ended)) in enumerate(pairwise(edges)):
        peak = max((size for at, size in scales.weights if begun <= at <= ended), default=0.0)
        rows.append(
            {
                "part": part + 1,
                "tokens": last - first,
                "seconds": ended - begun,
                "tokens/s": (last - first) / (ended - begun),
                "tokens a processor second": (last - first) / (cpu_ended - cpu),
                "peak RAM MiB": peak,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, nargs="+", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tokens", type=parse_length, default=10_000_000)
    arguments = parser.parse_args()
    shuffled(arguments.documents, arguments.tokens, arguments.work / "mixed")
    shutil.rmtree(arguments.work / "home", ignore_errors=True)
    clock, scales = Clock(), Scales()
    scales.start()
    result = ingest(arguments.work / "home", Models(), [arguments.work / "mixed"], clock)
    rows = tenths(clock, scales)
    report(
        "growth",
        rows,
        documents=result.did.new,
        failed=len(result.did.failed),
        tokens=result.did.tokens,
        seconds=round(result.seconds),
        last_to_first=round(rows[-1]["tokens/s"] / rows[0]["tokens/s"], 3),
        last_to_first_processor=round(rows[-1]["tokens a processor second"] / rows[0]["tokens a processor second"], 3),
        peak_ram_mib=round(max(size for _, size in scales.weights)),
    )


if __name__ == "__main__":
    main()
