"""docs/screens shows what the program prints today."""

import difflib
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
import record

from ingest import Source, read_document

SCREENS = Path(record.SCREENS)
SAMPLES = Path(__file__).parents[1] / "titans_cli" / "samples"


@dataclass(frozen=True)
class Measured:
    """Numbers, the groups of ``pattern``, that may differ between machines by ``tolerance`` of themselves, or of one."""

    name: str
    pattern: str
    tolerance: float


MEASURED = (
    Measured("TIME", r"(\d+\.\d)\ss,\s([\d,]+)\stokens/s", math.inf),
    Measured("TIME", r"(?<= in )(\d+\.\d) s(?=\. Nothing)", math.inf),
    Measured("STRENGTH", r"[█░]{6} (\d\.\d\d)", 0.1),
    Measured(
        "SIZES",
        r"[█░]{20} ([\d.]+) MB: ([\d.]+) MB memory weights \(([\d.]+) bytes per token\), ([\d.]+) MB sentence vectors \(([\d.]+)\)",
        0.1,
    ),
    Measured("SURE", r"(?:almost certain|likely right|rather right than wrong|a guess): about (\d) in 10", 0.2),
    Measured("SIZE", r"\((0\.\d) MB of weights\)", 0.1),
    Measured("SCORE", r"([+-]\d+\.\d)\b", 0.3),
    Measured("SCORE", r"\b(\d\.\d\d)\b", 0.1),
    Measured("SHARE", r"\b(\d+)%", 0.3),
    Measured("MEMORIES", r"\b(\d+) memories", 0.05),
    Measured("MEMORIES", r"\b(\d+) tokens per memory", 0.05),
    Measured("MEMORIES", r"(?m)(?<=\d)( +\d+)$", 0.2),  # the last column of a table
    Measured("MORE", r"\band (\d+) more\b", 0.3),
)
WEAK = re.compile(r"(?:^  [█░]{6} 0\.[0-5]\d  .*\n(?:^  .*\n)+?)+(?=^… and)", re.MULTILINE)
"""What the question hardly woke: its order is a matter of chance."""
THEME = re.compile(
    r"^[█▉▊▋▌▍▎▏]+ (?P<share>\d+)%  (?P<words>.*)\n  “(?P<sentence>(?:.*\n)+?)  (?P<document>\S+?)(?:, page (?P<page>\d+))?\n"
    r"  mostly in (?:.*\n)+?(?:\n|\Z)",
    re.MULTILINE,
)
"""Which sentences come together, and which one stands for them, depends on the last digits too."""


def settled(text: str) -> tuple[str, list[tuple[Measured, list[float]]]]:
    """``text`` without what differs between machines, and the numbers that do."""
    text = WEAK.sub("WEAK\n", THEME.sub("", re.sub(r"\d+ themes", "N themes", text)))
    numbers: list[tuple[Measured, list[float]]] = []
    for measured in MEASURED:
        found = re.findall(measured.pattern, text)
        numbers += [(measured, [float(n.replace(",", "")) for n in ([one] if isinstance(one, str) else one)]) for one in found]
        text = re.sub(measured.pattern, measured.name, text)
    return text.rstrip(), numbers


def differences(before: str, now: str) -> list[str]:
    """In what two recordings differ more than two machines would."""
    (text, numbers), (text_now, numbers_now) = settled(before), settled(now)
    if text != text_now:
        return list(difflib.unified_diff(text.splitlines(), text_now.splitlines(), "docs/screens", "now", lineterm=""))
    return [
        f"{measured.name}: {recorded} became {today}"
        for (measured, recorded), (_, today) in zip(numbers, numbers_now, strict=True)
        if any(abs(a - b) > measured.tolerance * max(1, abs(a)) for a, b in zip(recorded, today, strict=True))
    ]


def theme_faults(before: str, now: str) -> list[str]:
    """What is wrong with the themes of a recording, beside those of an earlier one."""
    earlier, themes = ([one.groupdict() for one in THEME.finditer(text)] for text in (before, now))
    shares = [int(theme["share"]) for theme in themes]
    words, known = ({word for theme in listed for word in theme["words"].split(", ")} for listed in (themes, earlier))
    faults = {
        "as many as are announced": f": {len(themes)} topics\n" in now,
        "about as many as before": abs(len(themes) - len(earlier)) <= 1,
        "the largest first": shares == sorted(shares, reverse=True),
        "all sentences that say something": 95 <= sum(shares) <= 102,
        "the largest is as large": bool(shares) and abs(shares[0] - int(earlier[0]["share"])) <= 6,
        "half of the words are the same": 2 * len(words & known) >= len(known),
    }
    for theme in themes:
        sentence = re.sub(r"\s+", " ", theme["sentence"]).strip().removesuffix("”")
        faults[f"stands in {theme['document']}: {sentence}"] = (
            sentence in pages_of(Path(theme["document"]).name)[int(theme["page"] or 1) - 1]
        )
    return [name for name, right in faults.items() if not right]


@lru_cache
def pages_of(name: str) -> list[str]:
    return [re.sub(r"\s+", " ", page.text) for page in read_document(Source(SAMPLES / name, name)).pages]


def strengths_fall(text: str) -> bool:
    strengths = [float(n) for n in re.findall(r"[█░]{6} (\d\.\d\d)", text.partition(" --why\n")[2].partition("\n$ ")[0])]
    return len(strengths) > 3 and strengths == sorted(strengths, reverse=True)


def test_screens_are_kept_current(tmp_path):
    # in a process of its own: what is recorded stands still only where no command was loaded before
    subprocess.run([sys.executable, record.__file__, "--into", str(tmp_path)], check=True)
    before, now = ((folder / "session.txt").read_text("utf-8") for folder in (SCREENS, tmp_path))
    difference = "\n".join([*differences(before, now), *theme_faults(before, now)])
    assert not difference, f"Look at it, and if it is meant: make screens\n{difference}"
    assert strengths_fall(now)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in SCREENS.iterdir())


RECORDED = (SCREENS / "session.txt").read_text("utf-8")


def test_a_recording_is_like_itself():
    assert differences(RECORDED, RECORDED) == [] and theme_faults(RECORDED, RECORDED) == [] and strengths_fall(RECORDED)


@pytest.mark.parametrize(
    ("pattern", "changed"),
    [
        (r"█ 0\.9(\d)", r"█ 0.6\1"),
        (r"(\d+)% sure of it", "30% sure of it"),
        (r"about (\d) in 10", "about 1 in 10"),
        (r"\d+ memories", "30 memories"),
        (r"(?<=Mean surprise )0\.\d\d", "0.95"),
        (r"7 topics", "3 topics"),
        (r"The Grapes are sour", "The Grapes are sweet"),
        (r" 0\.\d MB memory weights", " 9.9 MB memory weights"),
        (r"samples/aesop.html · recited word for word", "samples/aesop.html"),
        (r"(?<=% {2})\w+, \w+, \w+, \w+, \w+", "one, two, three, four, five"),
        (r"(?<=^  “)(?=At decompression time)", "Bees hum. "),
    ],
)  # fmt: skip
def test_a_number_a_word_or_a_theme_that_changed_is_found(pattern, changed):
    wrong = re.sub(pattern, changed, RECORDED, flags=re.MULTILINE)
    assert wrong != RECORDED and (differences(RECORDED, wrong) or theme_faults(RECORDED, wrong))


def test_the_readme_shows_the_recorded_session():
    shown = record.PLACE.search(record.README.read_text("utf-8"))
    assert shown is not None and shown[0] == record.newcomer(), "make screens"
    assert "titans ingest" in shown[0] and "page 10" in shown[0]


def test_screens_are_small_and_show_nothing_of_the_machine():
    for path in SCREENS.iterdir():
        text = path.read_text("utf-8")
        assert len(text) < 60_000 and "/tmp" not in text and str(Path.home()) not in text, path
