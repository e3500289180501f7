"""What the benchmark scripts share: texts, tables, JSON."""

import json
import os
import platform
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

__all__ = ["RESULTS", "report"]

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
