"""Reads real, broken and hostile files within stated limits: every one must give a document or a reason, in time.

python bench/hostile.py --pdf FOLDER [--pypdf-sdist FILE.tar.gz] --work FOLDER [--only GROUP]
"""

import argparse
import multiprocessing
import random
import resource
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hostile_files import cut_and_flipped, make_all

from ingest import Document, Extractor, Limits, Options, Source, SourceError, find_sources

LIMITS = Limits(bytes=400_000_000, pages=5_000, characters=20_000_000, page_seconds=10, file_seconds=60, memory=1_000_000_000)
SLACK = 15.0
"""Seconds beyond the limit for a file: for the last kill, and for putting together what was read."""
KINDS = ["whole", "in part", "encrypted", "corrupt", "limit", "timeout", "no text", "empty", "not text", "unreadable", "missing", "lost"]
SMALL = 400_000
"""Bytes; what is broken on purpose is made from smaller PDFs."""


def pdfs_of_pypdf(archive: Path | None, work: Path) -> list[Path]:
    """The PDFs that pypdf is tested with, from the archive of its source."""
    if archive is None:
        command = [sys.executable, "-m", "pip", "download", "--no-binary", ":all:", "--no-deps", "--dest", str(work), "pypdf"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        archive = next(work.glob("pypdf-*.tar.gz"))
    folder = work / "pypdf"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return sorted(folder.rglob("*.pdf"))


def collect(arguments: argparse.Namespace) -> dict[str, list[Path]]:
    """All files to read, by group."""
    work: Path = arguments.work
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    groups = {"pypdf's": pdfs_of_pypdf(arguments.pypdf_sdist, work), "real": sorted(arguments.pdf.rglob("*.pdf"))}
    small = [path for group in groups.values() for path in group if 0 < path.stat().st_size < SMALL]
    for group, files in cut_and_flipped(random.Random(arguments.seed), small, arguments.broken).items():
        (work / group).mkdir()
        groups[group] = [work / group / name for name in files]
        for path, data in zip(groups[group], files.values(), strict=True):
            path.write_bytes(data)
    groups |= make_all(work / "made", arguments.seed)
    return {group: paths for group, paths in groups.items() if not arguments.only or group in arguments.only}


class Peak(threading.Thread):
    """Watches the memory of this process's children until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.mib = 0.0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.1):
            for child in multiprocessing.active_children():
                try:
                    status = Path(f"/proc/{child.pid}/status").read_text()
                except OSError:
                    continue
                marks = [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")]
                self.mib = max([self.mib, *marks])


def outcome(result: object) -> str:
    if isinstance(result, Document):
        return "in part" if result.failed_pages else "whole"
    return result.kind if isinstance(result, SourceError) else "lost"


def read(extractor: Extractor, source: Source) -> tuple[Source, object, float]:
    """What became of a file, and its seconds."""
    begun = time.monotonic()
    try:
        result: object = extractor.extract(source)
    except Exception as error:  # the very thing that must not happen
        result = error
    seconds = time.monotonic() - begun
    return source, "hung" if seconds > LIMITS.file_seconds + SLACK else result, seconds


def run(group: str, paths: list[Path], workers: int, told: list[dict]) -> dict:
    """Read a group's files. Its row of the table; what became of each file is added to ``told``."""
    sources, problems = [], []
    for path in paths:
        found, wrong = find_sources([path])
        sources += found
        problems += wrong
        if not found and not wrong:
            told.append({"group": group, "file": repr(path.name), "outcome": "lost", "why": "not found", "seconds": 0.0})
    with Extractor(Options(limits=LIMITS), workers) as extractor, ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(lambda source: read(extractor, source), sources))
    for problem in problems:
        told.append({"group": group, "file": repr(problem.path.name), "outcome": problem.kind, "why": problem.reason, "seconds": 0.0})
    for source, result, seconds in results:
        failed = result.failed_pages[0] if isinstance(result, Document) and result.failed_pages else ""
        why = failed if isinstance(result, Document) else getattr(result, "reason", repr(result))
        told.append(
            {"group": group, "file": repr(source.path.name), "outcome": outcome(result), "why": str(why), "seconds": round(seconds, 2)}
        )
    mine = [one for one in told if one["group"] == group]
    counts = Counter(one["outcome"] for one in mine)
    return {"group": group, "files": len(mine), **{kind: counts[kind] for kind in KINDS}, "slowest s": max(one["seconds"] for one in mine)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pdf", type=Path, required=True, help="folder with real PDFs")
    parser.add_argument("--pypdf-sdist", type=Path, help="archive of pypdf's source; downloaded when not given")
    parser.add_argument("--work", type=Path, required=True, help="folder for the files, emptied first")
    parser.add_argument("--broken", type=int, default=40, help="PDFs to break in each of three ways")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="groups to read")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    groups = collect(arguments)
    told: list[dict] = []
    peak, begun = Peak(), time.monotonic()
    peak.start()
    rows = [run(group, paths, arguments.workers, told) for group, paths in groups.items()]
    peak.stopped.set()
    seconds = time.monotonic() - begun
    rows.append({"group": "all", **{key: sum(row[key] for row in rows) for key in rows[0] if key not in ("group", "slowest s")}})
    rows[-1]["slowest s"] = max(row["slowest s"] for row in rows[:-1])

    from common import report  # torch, which the readers must not load

    slow = sorted(told, key=lambda one: -one["seconds"])[:5]
    report(
        "hostile",
        rows,
        limits=str(LIMITS),
        seconds=round(seconds, 1),
        peak_MiB_of_a_reader=round(peak.mib),
        peak_MiB_here=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        slowest="; ".join(f"{one['file']} {one['seconds']} s {one['outcome']}" for one in slow),
        files=told,
    )
    if rows[-1]["lost"]:
        raise SystemExit("Some files were lost.")


if __name__ == "__main__":
    main()
