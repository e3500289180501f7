"""docs/screens shows what the program prints today."""

import difflib
import re
from pathlib import Path

import record

SCREENS = Path(record.SCREENS)
NUMBERS = (
    (r"\d+\.\d s,\s[\d,]+ tokens/s", "TIME"),
    (r"recited, \d+\.\d s;", "recited, TIME;"),
    (r"[█░]{6} \d\.\d\d", "BAR"),  # strengths, confidences and sizes may differ in the last digit from machine to machine
    (r"[█░]{20} .*", "BAR"),
    (r"(?:almost certain|likely right|rather right than wrong|a guess): about \d in 10", "SURE"),
    (r"[+-]\d+\.\d\b|\b\d\.\d\d\b|\b\d+%", "N"),
    (r"\(0\.\d MB of weights\)", "SIZE"),
    (r"\b\d+ memories|\b\d+ tokens a memory", "MEMORIES"),
    (r"(?m)(?<=\d) +\d+$", " MEMORIES"),  # the last column of a table
    (r"\band \d+ more\b", "and N more"),
)
WEAK = re.compile(r"(?:^  [█░]{6} 0\.[0-5]\d  .*\n(?:^  .*\n)+?)+(?=^… and)", re.MULTILINE)
"""What the question hardly woke: its order is a matter of chance."""


THEME = re.compile(r"^[█▉▊▋▌▍▎▏]+ N .*\n  “(?:.*\n)+?  mostly in .*\n(?:\n|$)", re.MULTILINE)
"""Which sentences come together, and which one stands for them, depends on the last digits too."""


def settled(text: str) -> str:
    """``text`` without what differs between machines."""
    text = WEAK.sub("WEAK\n", text)
    for pattern, stable in NUMBERS:
        text = re.sub(pattern, stable, text)
    return re.sub("(?:THEME\n)+", "THEMES\n", THEME.sub("THEME\n", re.sub(r"\d+ themes", "N themes", text)))


def test_screens_are_kept_current(tmp_path):
    record.record(tmp_path)
    before, now = ((folder / "session.txt").read_text("utf-8") for folder in (SCREENS, tmp_path))
    difference = "\n".join(
        difflib.unified_diff(settled(before).splitlines(), settled(now).splitlines(), "docs/screens", "now", lineterm="")
    )
    assert not difference, f"Look at it, and if it is meant: make screens\n{difference}"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in SCREENS.iterdir())


def test_the_readme_shows_the_recorded_session():
    shown = record.PLACE.search(record.README.read_text("utf-8"))
    assert shown is not None and shown[0] == record.newcomer(), "make screens"
    assert "titans ingest" in shown[0] and "page 10" in shown[0]


def test_screens_are_small_and_show_nothing_of_the_machine():
    for path in SCREENS.iterdir():
        text = path.read_text("utf-8")
        assert len(text) < 60_000 and "/tmp" not in text and str(Path.home()) not in text, path
        assert "url(" not in text.replace("url(#", ""), path  # no fonts from elsewhere
