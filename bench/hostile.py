"""Reads real, broken and hostile files within stated limits: every one must give a document or a reason, in time.

python bench/hostile.py --pdf FOLDER [--pypdf-sdist FILE.tar.gz] --work FOLDER [--only GROUP]
"""

import argparse
import multiprocessing
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hostile_files import GROUPS, cut_and_flipped, make_all

from ingest import Document, Extractor, Limits, Options, Source, SourceError, find_sources

LIMITS = Limits(bytes=200_000_000, pages=5_000, characters=20_000_000, page_seconds=10, file_seconds=60, memory=1_000_000_000)
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
    groups |= make_all(work / "made", arguments.seed, arguments.only or GROUPS)
    return {group: paths for group, paths in groups.items() if not arguments.only or group in arguments.only}


class Peak(threading.Thread):
    """Watches the memory of this process and its children until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.here = self.children = 0.0  # MiB
        self.stopped = threading.Event()
        Path("/proc/self/clear_refs").write_text("5")  # forget what making the files took

    def run(self) -> None:
        while not self.stopped.wait(0.1):
            self.here = most("self")
            self.children = max([self.children, *(most(str(child.pid)) for child in multiprocessing.active_children())])


def most(process: str) -> float:
    """The most memory that a process has had, in MiB; 0 when it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return max((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), default=0.0)


def read(extractor: Extractor, source: Source) -> tuple[str, str, float]:
    """What became of a file, why, and its seconds."""
    begun = time.monotonic()
    try:
        result: object = extractor.extract(source)
    except Exception as error:  # the very thing that must not happen
        result = error
    seconds = time.monotonic() - begun
    if seconds > LIMITS.file_seconds + SLACK:
        return "lost", "took too long", seconds
    if isinstance(result, Document):
        return ("in part", str(result.failed_pages[0]), seconds) if result.failed_pages else ("whole", "", seconds)
    return (result.kind, result.reason, seconds) if isinstance(result, SourceError) else ("lost", repr(result), seconds)


def run(group: str, paths: list[Path], workers: int, told: list[dict]) -> dict:
    """Read a group's files. Its row of the table; what became of each file is added to ``told``."""
    sources: list[Source] = []
    outcomes: list[tuple[str, str, str, float]] = []
    for path in paths:
        found, wrong = find_sources([path])
        sources += found
        outcomes += [(problem.path.name, problem.kind, problem.reason, 0.0) for problem in wrong]
        if not found and not wrong:
            outcomes.append((path.name, "lost", "was not found", 0.0))
    with Extractor(Options(limits=LIMITS), workers) as extractor, ThreadPoolExecutor(workers) as pool:
        outcomes += pool.map(lambda source: (source.path.name, *read(extractor, source)), sources)
    told += [{"group": group, "file": repr(n), "outcome": what, "why": why, "seconds": round(took, 2)} for n, what, why, took in outcomes]
    counts = Counter(what for _, what, _, _ in outcomes)
    return {"group": group, "files": len(outcomes), **{kind: counts[kind] for kind in KINDS}, "slowest s": max(o[3] for o in outcomes)}


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
        peak_MiB_of_a_reader=round(peak.children),
        peak_MiB_here=round(peak.here),
        slowest="; ".join(f"{one['file']} {one['seconds']} s {one['outcome']}" for one in slow),
        files=told,
    )
    if rows[-1]["lost"]:
        raise SystemExit("Some files were lost.")


if __name__ == "__main__":
    main()
