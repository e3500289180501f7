"""Answers that another sentence in memory corrects: "postponed from 26 April to 17 May", "at 15:00 and not at 17:00"."""

import re
from collections.abc import Iterator
from dataclasses import replace

from model import content_words
from titans_cli.services.ask.phrasing import Found
from titans_cli.services.ask.retrieve import Recitation, Retrieval

__all__ = ["correction_of"]

SHARED = 2
"""Words of the question that a correction holds, at least."""
LONGEST = 6
"""Words of an answer that can be a single date, time or number."""

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?"
    r"|dec(?:ember)?)"
)
WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
DATE = (
    rf"(?:{WEEKDAY},?\s+)?(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{MONTH}\b(?:\.?\s+\d{{4}})?|{MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s+\d{{4}})?)"
    r"|\d{4}-\d\d-\d\d"
)
TIME = r"\d{1,2}:\d\d(?:\s*[ap]\.?m\b\.?)?|\d{1,2}\s*[ap]\.?m\b\.?"
UNIT = r"%|€|EUR|GBP|USD|dollars?|euros?|pounds?|[kKMG]?i?B|[km]?[gml]|minutes|hours|days|weeks|months|years"
NUMBER = rf"[$€£]?\d[\d,]*(?:\.\d+)?(?:\s*(?:{UNIT})(?!\w))?"
CHANGED = (
    r"(?:postpon|mov|chang|shift|delay|reschedul|cut|correct|extend|shorten|rais|lower|put (?:off|back)|brought forward|pushed back)\w*"
)
AT = r"(?:(?:at|on|by|for|until|to)\s+)?"


def corrections(value: str) -> tuple[re.Pattern[str], ...]:
    """Ways to say that ``new`` stands instead of ``old``, both of one kind of value."""
    new, old = rf"(?P<new>{value})", rf"(?P<old>{value})"
    return (
        re.compile(rf"\b{CHANGED}\b[^.;]*?\bfrom\s+{old}\s+to\s+{new}", re.IGNORECASE),
        re.compile(rf"{new}(?:\s+[\w-]+)?,?\s+(?:instead of|rather than|(?:and |but )?not)\s+{AT}{old}(?![\w-])", re.IGNORECASE),
        re.compile(rf"\b(?:no longer|not)\s+{AT}{old}(?:\s+[\w-]+)?,?\s+but\s+{AT}{new}", re.IGNORECASE),
    )


VALUES = {"date": f"(?:{DATE})", "time": f"(?:{TIME})", "number": f"(?:{NUMBER})"}
KINDS = {kind: (re.compile(rf"(?<![\w.]){value}", re.IGNORECASE), corrections(value)) for kind, value in VALUES.items()}
PAST = re.compile(
    r"\b(?:original(?:ly)?|initial(?:ly)?|at first|first|earlier|before|previous(?:ly)?|former(?:ly)?|old|once|used to|from|until|planned"
    r"|changed?)\b",
    re.IGNORECASE,
)
"""A question with such a word may ask for the earlier value."""


def correction_of(question: str, found: Found, retrieval: Retrieval) -> Found | None:
    """The value that replaces the answer ``found``, where a retrieved sentence about the same says so of this very value."""
    run, reading = found
    text = run.text[reading.start : reading.end]
    if reading.kind is not None or len(text.split()) > LONGEST or PAST.search(question):
        return None
    for kind, (value, patterns) in KINDS.items():
        values = value.findall(text)
        if values:
            newer = next(replacements(question, kind, values[0], found, retrieval, patterns), None) if len(values) == 1 else None
            if newer is None:
                return None
            run, reading = newer
            again = replacements(question, kind, run.text[reading.start : reading.end], found, retrieval, patterns)
            return None if any(True for _ in again) else newer  # a change that was changed again: which is the last is not known
    return None


def replacements(
    question: str, kind: str, value: str, found: Found, retrieval: Retrieval, patterns: tuple[re.Pattern[str], ...]
) -> Iterator[Found]:
    """Places of the values that replace ``value``, those in sentences that fit the question best first."""
    asked = set(content_words(question))
    for run, start, end in sentences_by_fit(retrieval):
        text = run.text[start:end]
        if len(asked & set(content_words(text))) < min(SHARED, len(asked)):
            continue
        for pattern in patterns:
            for match in pattern.finditer(text):
                if same(kind, match["old"], value) and not same(kind, match["new"], value):
                    yield run, replace(found[1], start=start + match.start("new"), end=start + match.end("new"))


def sentences_by_fit(retrieval: Retrieval) -> Iterator[tuple[Recitation, int, int]]:
    """Characters of each retrieved sentence."""
    places = [(float(retrieval.fits[run.place + i]), run, s) for run in retrieval.runs for i, s in enumerate(run.sentences)]
    for _, run, sentence in sorted(places, key=lambda place: -place[0]):
        yield run, sentence.start, sentence.end


def same(kind: str, a: str, b: str) -> bool:
    """Whether two values are the same; a date without a year is like one of any year."""
    if kind == "date":
        (day, year), (other, other_year) = date_of(a), date_of(b)
        return day == other and (year == other_year or not (year and other_year))
    if kind == "time":
        return re.sub(r"[\s.]", "", a).lower() == re.sub(r"[\s.]", "", b).lower()
    return digits(a) == digits(b)


def date_of(text: str) -> tuple[tuple[int, int], str]:
    """Month and day, and the year or nothing."""
    iso = re.match(r"(\d{4})-(\d\d)-(\d\d)", text)
    if iso:
        return (int(iso[2]), int(iso[3])), iso[1]
    month = re.search(rf"\b{MONTH}\b", text, re.IGNORECASE)
    day, year = re.search(r"(?<!\d)\d{1,2}(?!\d)", text), re.search(r"\d{4}", text)
    return (MONTHS.index(month[0][:3].lower()) + 1 if month else 0, int(day[0]) if day else 0), year[0] if year else ""


def digits(text: str) -> str:
    return re.sub(r"[^\d.]", "", text)
