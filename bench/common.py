"""What the benchmark scripts share: sizes, ingest, tables, JSON."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

__all__ = ["RESULTS", "memorize", "parse_length", "report"]

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads"


def report(name: str, rows: list[dict], **facts: object) -> None:
    """Print ``rows`` as a table and write them with ``facts`` to results/NAME.json."""
    table = Table(*rows[0], title=name)
    for row in rows:
        table.add_row(*(f"{v:,.4g}" if isinstance(v, float) else f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()))
    console = Console(width=140)
    console.print(table)
    for key, value in facts.items():
        if isinstance(value, list):
            continue
        console.print(f"{key}: {value}", highlight=False)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine(), **facts, "rows": rows}, indent=1) + "\n")


def parse_length(text: str) -> int:
    """4K, 1M and the like: thousands and millions of tokens."""
    factor = {"K": 1_000, "M": 1_000_000}.get(text[-1].upper())
    return int(float(text[:-1]) * factor) if factor else int(text)


def memorize(path: Path, home: Path, *options: str) -> dict:
    """``titans ingest`` with ``options`` in a process of its own; what it said, its seconds, and the peak memory of the largest so far."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "titans_cli", "ingest", str(path), "--home", str(home), *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {
        "ingest": done.stdout.strip(),
        "seconds": time.monotonic() - begun,
        "peak RAM MiB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
