"""How long commands take to start: medians of N runs, each in a process of its own, and of what a first answer is made.

    python bench/startup.py [--runs 7] [--home HOME]

Without --home the sample documents are memorized first. A run goes through all commands, so that what else the machine does meets all of
them alike. Seconds are by the clock; processor seconds tell more where other programs run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from common import memorize, report

SAMPLES = Path(__file__).parents[1] / "titans_cli" / "samples"
QUESTION = "Who is the author of bzip2?"
CLI = [sys.executable, "-m", "titans_cli"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import torch": [sys.executable, "-c", "import torch"],
    "titans --help": [*CLI, "--help"],
    "titans ask --help": [*CLI, "ask", "--help"],
    "titans status": [*CLI, "status"],
    "titans history": [*CLI, "history"],
    "titans snapshot list": [*CLI, "snapshot", "list"],
    "titans forget aesop.html --dry-run": [*CLI, "forget", "aesop.html", "--dry-run"],
    "titans doctor": [*CLI, "doctor"],
    "titans ask, cold": [*CLI, "ask", QUESTION, "--no-history"],
}
PARTS = f"""
import time
begun, parts = time.perf_counter(), []
def lap(name):
    parts.append((name, time.perf_counter()))
import torch
lap("import torch")
from pathlib import Path
import sys
from titans_cli.services.ask.answer import Assistant
from titans_cli.services.ask.conversation import Conversation
from titans_cli.session import Session
lap("import of the program")
session = Session(Path(sys.argv[1]))
session.models.load()
lap("reading the weights")
conversation = Conversation(session)
for name in ("first answer", *["warm answer"] * 5):
    conversation.ask({QUESTION!r})
    lap(name)
import json
print(json.dumps([(name, end - before) for (name, end), before in zip(parts, [begun, *(end for _, end in parts)])]))
"""


def timed(command: list[str], home: Path) -> tuple[float, float]:
    """Seconds by the clock and of the processor that a command takes."""
    environment = {**os.environ, "TITANS_HOME": str(home)}
    begun = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: exit code {process.returncode}")
    return seconds, used.ru_utime + used.ru_stime


def parts_of(home: Path) -> dict[str, float]:
    """Seconds of each part of a first answer, in one process."""
    done = subprocess.run([sys.executable, "-c", PARTS, str(home)], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, list[float]] = {}
    for name, seconds in json.loads(done.stdout):
        found.setdefault(name, []).append(seconds)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def measure(home: Path, runs: int) -> list[dict]:
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    parts: dict[str, list[float]] = {}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            taken[name].append(timed(command, home))
        for name, seconds in parts_of(home).items():
            parts.setdefault(name, []).append(seconds)
    rows = []
    for name, pairs in taken.items():
        seconds, used = zip(*pairs, strict=True)
        rows.append(row(name, seconds, statistics.median(used)))
    return rows + [row(f"part: {name}", seconds, None) for name, seconds in parts.items()]


def row(name: str, seconds: "list[float] | tuple[float, ...]", used: float | None) -> dict:
    return {
        "what": name,
        "seconds": statistics.median(seconds),
        "least": min(seconds),
        "most": max(seconds),
        "processor seconds": "" if used is None else used,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        home = arguments.home or Path(folder) / "home"
        if arguments.home is None:
            memorize(SAMPLES, home)
        timed(COMMANDS["titans ask, cold"], home)  # the disk's cache, compiled modules, digests of the weights
        rows = measure(home, arguments.runs)
    at = {facts["what"]: facts["seconds"] for facts in rows}
    needed = at["import torch"] + at["part: reading the weights"] + at["part: warm answer"]
    report("startup", rows, runs=arguments.runs, cold_ask_beside_its_parts=round(at["titans ask, cold"] / needed, 2))


if __name__ == "__main__":
    main()
