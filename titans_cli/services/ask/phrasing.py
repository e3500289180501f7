"""Readings become an answer: a span, a sentence, items one a line, or yes or no."""

import re
from collections.abc import Sequence
from dataclasses import replace

from model import YES, Reading
from titans_cli.services.ask.passages import place_of
from titans_cli.services.ask.question import Wanted
from titans_cli.services.ask.results import Kind
from titans_cli.services.ask.retrieve import Recitation

__all__ = ["Found", "answer_text", "items_of", "phrase", "suitable", "widened"]

PLAUSIBLE = 0.1
"""Share of the likeliest answer's confidence from which yes or no is preferred where a question asks for them."""
SHORT = 3
"""Words of a span that are too few to say how or why; the sentence is the answer then."""
LONGEST_SENTENCE = 40
"""Words of such a sentence at most."""
LONGEST_ITEM = 14
"""Words of an item of a list at most: longer parts are clauses."""

BULLET = re.compile(r"(?:^|\n)[ \t]*(?:[-*+•▪◦‣·–—]|\(?\d{1,2}[.)])[ \t]+")
INLINE_BULLET = re.compile(r"(?:^|\s+)[•▪◦‣]\s+|(?<=\S)\s+[-–]\s+(?=\S)")
NUMBERED = re.compile(r"(?:^|\s)\(?\d{1,2}[.)]\s+")
LEADING = re.compile(r"^(?:[-*+•▪◦‣·–—]\s+|\(?\d{1,2}[.)]\s+|(?:and|or|&)\s+)+", re.IGNORECASE)
COMMA = re.compile(r"\s*[,;]\s+(?![^()]*\))")
SEMICOLON = re.compile(r"\s*;\s+(?![^()]*\))")
AND = re.compile(r"\s+(?:and|&)\s+")

Found = tuple[Recitation, Reading]
"""A reading and the recitation that it was read in, by whose characters its place is told."""


def suitable(wanted: Wanted, readings: Sequence[Reading]) -> list[Reading]:
    """The readings that may answer, best first: yes and no only where they are asked for, and before all else where they are plausible."""
    if wanted.choice or not readings:
        return list(readings)
    if not wanted.yes_no:
        return [reading for reading in readings if reading.kind is None]
    said = next((reading for reading in readings if reading.kind is not None), None)
    if said is None or said.confidence < PLAUSIBLE * readings[0].confidence:
        return list(readings)
    return [said, *(reading for reading in readings if reading is not said)]


def answer_text(text: str, reading: Reading) -> str:
    """The words of an answer read in ``text``."""
    if reading.kind is not None:
        return "yes" if reading.kind == YES else "no"
    return " ".join(text[reading.start : reading.end].split())


def phrase(wanted: Wanted, found: Sequence[Found]) -> tuple[str, Kind]:
    """The answer that readings make, and its kind. They were ``widened`` before."""
    run, reading = found[0]
    if reading.kind is not None:
        return answer_text(run.text, reading), "yes_no"
    if wanted.several:
        items = [item for run, reading in found for item in items_of(run.text[reading.start : reading.end])]
        distinct = list({item.lower(): item for item in reversed(items)}.values())[::-1]
        if len(distinct) > 1:
            return "\n".join(distinct), "list"
    text = answer_text(run.text, reading)
    return text, "sentence" if is_sentence(run, reading) else "span"


def widened(wanted: Wanted, run: Recitation, reading: Reading) -> Reading:
    """The reading, or the sentence around it where it has too few words to say how or why."""
    if not wanted.clause or reading.kind is not None or len(run.text[reading.start : reading.end].split()) > SHORT:
        return reading
    start, end = sentence_around(run, reading)
    short = 0 < len(run.text[start:end].split()) <= LONGEST_SENTENCE
    return replace(reading, start=start, end=end) if short else reading


def sentence_around(run: Recitation, reading: Reading) -> tuple[int, int]:
    """Characters of the sentences that hold a reading, without white space at the ends."""
    first, last = place_of(run, reading.start, reading.end)
    start, end = run.sentences[first].start, run.sentences[last].end
    whole = run.text[start:end]
    return start + len(whole) - len(whole.lstrip()), end - len(whole) + len(whole.rstrip())


def is_sentence(run: Recitation, reading: Reading) -> bool:
    """Whether a reading is a whole sentence, of more than a few words."""
    start, end = sentence_around(run, reading)
    whole = reading.start <= start and reading.end >= len(run.text[:end].rstrip(" \n.!?"))
    return whole and len(run.text[start:end].split()) > SHORT


def items_of(text: str) -> list[str]:
    """The items of a list: lines with bullets or numbers, parts between semicolons or commas, and the two sides of "and"."""
    for pattern in (BULLET, NUMBERED, INLINE_BULLET):
        if len(pattern.findall(text)) > 1:
            return cleaned(pattern.split(text))
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and all(len(line.split()) <= LONGEST_ITEM for line in lines) and not re.search(r"[,;]\s|\band\b", text):
        return cleaned(lines)
    flat = " ".join(text.split())
    parts = (SEMICOLON if SEMICOLON.search(flat) else COMMA).split(flat)
    if not LEADING.match(parts[-1]):
        parts[-1:] = AND.split(parts[-1]) if len(parts) > 1 else once(parts[-1])
    items = cleaned(parts)
    return items if all(len(item.split()) <= LONGEST_ITEM for item in items) else cleaned([flat])


def once(text: str) -> list[str]:
    """Both sides of the only "and" in ``text``, if they are short and alike in length."""
    sides = AND.split(text)
    return sides if len(sides) == 2 and all(len(side.split()) <= LONGEST_ITEM // 2 for side in sides) else [text]


def cleaned(parts: Sequence[str]) -> list[str]:
    """Items without bullets, numbers, "and" and punctuation around them; no empty ones."""
    items = [LEADING.sub("", " ".join(part.split())).strip(" ,;") for part in parts]
    return [item.removesuffix(".") if item.count(".") == 1 else item for item in items if item.strip(".")]
