"""The tables of benchmarks, out of what was measured: docs/benchmarks.md, and the short one in README.md.

    python bench/tables.py               write both from bench/measured/*.json
    python bench/tables.py --take speed  take the rows that bench/speed.py has just written to bench/results first
    python bench/tables.py --check       say whether both are as they would be written; exit code 1 when not

A file of bench/measured has: what was measured, the command, the machine and the date, rows of numbers, and a summary with places for
them. Nothing in the tables is written by hand.
"""

import argparse
import json
import re
import sys
from datetime import date
from pathlib import Path

BENCH = Path(__file__).parent
README, PAGE = BENCH.parent / "README.md", BENCH.parent / "docs" / "benchmarks.md"
PLACE = re.compile(r"(?<=<!-- benchmarks: python bench/tables.py -->\n).*?(?=<!-- end of benchmarks -->)", re.DOTALL)


def measured() -> dict[str, dict]:
    """What was measured, by name, in the order of the tables."""
    found = {path.stem: json.loads(path.read_text()) for path in (BENCH / "measured").glob("*.json")}
    return dict(sorted(found.items(), key=lambda item: item[1]["order"]))


def take(name: str) -> None:
    """Put the rows of the last run of ``bench/NAME.py`` in place of those before; the summary must fit them."""
    target = BENCH / "measured" / f"{name}.json"
    run, facts = json.loads((BENCH / "results" / f"{name}.json").read_text()), json.loads(target.read_text())
    facts |= {"machine": run["machine"], "date": date.today().isoformat(), "rows": run["rows"]}
    facts["summary"].format(*facts["rows"])
    target.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if isinstance(value, float) else str(value)


def short(found: dict[str, dict]) -> str:
    """The README's table: a line for each."""
    lines = ["| what | measured |", "|---|---|"]
    lines += [f"| {facts['what']} | {facts['summary'].format(*facts['rows'])} |" for facts in found.values()]
    return "\n".join(lines) + "\n"


def long(found: dict[str, dict]) -> str:
    """The page: each with its command, machine, date and all rows."""
    introduction = "`python bench/tables.py` writes this page from `bench/measured`. Numbers are from single runs unless stated otherwise."
    parts = [f"# Benchmarks\n\n{introduction}\n"]
    for facts in found.values():
        head = list(facts["rows"][0])
        lines = [
            " | ".join(head),
            "|".join("---" for _ in head),
            *(" | ".join(cell(row.get(name)) for name in head) for row in facts["rows"]),
        ]
        table = "\n".join(f"| {line} |" for line in lines)
        note = f" {facts['note']}" if "note" in facts else ""
        where = f"{facts['machine']}; {facts['date']}.{note}"
        parts.append(f"## {facts['what'][0].upper()}{facts['what'][1:]}\n\n`{facts['command']}`\n\n{where}\n\n{table}\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--take", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.take:
        take(name)
    found = measured()
    wanted = {README: PLACE.sub(lambda _: short(found), README.read_text("utf-8")), PAGE: long(found)}
    stale = [path.name for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if arguments.check:
        sys.exit(f"not as measured: {', '.join(stale)}. Run: python bench/tables.py" if stale else 0)
    for path, text in wanted.items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
