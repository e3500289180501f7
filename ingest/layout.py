"""Removes running headers and page numbers from pages, and joins words that were hyphenated at line ends.

The result depends on the document alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from ingest.types import Page

__all__ = ["laid_out"]

EDGE = 3
"""Lines at the top and at the bottom of a page that may be running headers, footers and page numbers."""
FEWEST_PAGES = 4
"""Pages with text from which lines count as running."""
MOST = 0.4
"""Share of the pages with a line from which it is running: left and right pages may have different ones."""
FEWEST_NUMBERED = 3
"""Pages from which a line with the page's number is running: the chapter's title may stand in it."""
NEAR = 2
"""Pages before and behind of which most must have the same distance between a number and their place for it to count the pages."""
LONGEST = 200
"""Characters; a longer line is text."""
NUMBER = re.compile(
    r"""^[\s\[(|–—-]*(\d{1,6})(?=[\s\])|–—-]|$)      # first in its line
      | (?:^|[\s\[(|–—-])(\d{1,6})[\s\])|.–—-]*$     # last
      | (?:^|\s)(\d{1,6})\s*(?:/|of|von)\s*\d+\s*$  # "page 3 of 38"
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""The places where a page number may be."""
ROMAN = re.compile(r"[ivxlc]{1,9}", re.I)
ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
COUNTED = "\0"
"""Stands for the page's number. No text has it, see ``text.clean``."""
NO_WORD = re.compile(r"[^\w/\0]+")
ONLY_NUMBER = re.compile(r"(?:(?:page|p|seite|s) )?\0(?: ?(?:of|von|/) ?[\d\0]+)?")

LETTERS = r"(?<![^\W\d_])(?<![-‐‑])[^\W\d_]++(?:[-‐‑][^\W\d_]++)*+"  # begins nowhere but at a word's begin, to take linear time
WORD = re.compile(LETTERS)
BROKEN = re.compile(rf"({LETTERS})[-‐‑]\n[ \t]*(\w+)")
"""A word that a line end cuts, with what precedes the cut and what follows it."""
ALONE = 4
"""Letters from which both parts, known as words, tell a compound (data-driven) from a cut word (exam-ple)."""
COMPOUNDING = frozenset({"cross", "half", "high", "long", "low", "self", "short", "well"})
"""Words that begin more compounds than cut words."""
ADDRESS = "/._@:=&?"
"""Characters before a word that make it part of an address, whose hyphens stay."""

Edge = tuple[str, int]
"""The side of a page ("top" or "bottom"), and the place of a line on it."""


def laid_out(pages: Sequence[Page]) -> tuple[Page, ...]:
    """Clean the ``pages`` of one document. Pages without a number are not printed pages and stay as they are."""
    printed = [page for page in pages if page.number is not None]
    texts = whole_words(without_running_lines([(page.number or 0, page.text) for page in printed]))
    cleaned = {page.number: replace(page, text=text) for page, text in zip(printed, texts, strict=True)}
    return tuple(page if page.number is None else cleaned[page.number] for page in pages)


def without_running_lines(pages: Sequence[tuple[int, str]]) -> list[str]:
    """Texts of ``pages``, numbered from 1, without headers, footers and page numbers.

    A running line that contains more than the page's number is kept where it first appears. No page loses all of its text.
    """
    if len(pages) < FEWEST_PAGES:
        return [text for _, text in pages]
    split = [text.split("\n") for _, text in pages]
    edges = [edge_lines(lines) for lines in split]
    shown = [[lines[at] for _, at in edge] for lines, edge in zip(split, edges, strict=True)]
    counting = page_numbers([number for number, _ in pages], shown)
    keys = [
        {at: (side, key(lines[at], numbers)) for side, at in edge if len(lines[at]) <= LONGEST}
        for lines, edge, numbers in zip(split, edges, counting, strict=True)
    ]
    seen = Counter(chain.from_iterable(set(page.values()) for page in keys))
    least = max(FEWEST_NUMBERED, MOST * len(pages))
    told: set[str] = set()
    texts = []
    for lines, page in zip(split, keys, strict=True):
        drop = set()
        for at, (side, line) in page.items():
            if ONLY_NUMBER.fullmatch(NO_WORD.sub(" ", line).strip()):
                drop.add(at)
            elif seen[side, line] >= (FEWEST_NUMBERED if COUNTED in line else least):
                if line in told:
                    drop.add(at)
                told.add(line)
        kept = [line for at, line in enumerate(lines) if at not in drop]
        texts.append("\n".join(kept if any(line.strip() for line in kept) else lines))
    return texts


def edge_lines(lines: Sequence[str]) -> list[Edge]:
    """The first and the last lines with text. On a short page no line counts as both."""
    filled = [at for at, line in enumerate(lines) if line.strip()]
    top = filled[: min(EDGE, (len(filled) + 1) // 2)]
    bottom = filled[max(len(top), len(filled) - EDGE) :]
    return [("top", at) for at in top] + [("bottom", at) for at in bottom]


def page_numbers(pages: Sequence[int], edges: Sequence[Sequence[str]]) -> list[set[int]]:
    """For each page, the numbers at its edges that are page numbers: their distance from the page's position is the same on most pages
    near it.
    """
    offsets = [
        {value - page for line in lines if len(line) <= LONGEST for value in values(line)} for page, lines in zip(pages, edges, strict=True)
    ]
    found = []
    for i, page in enumerate(pages):
        near = [offsets[j] for j in range(max(0, i - NEAR), min(len(pages), i + NEAR + 1)) if j != i]
        found.append({page + offset for offset in offsets[i] if 2 * sum(offset in others for others in near) > max(len(near), 2)})
    return found


def values(line: str) -> list[int]:
    """Numbers in a line. Roman numerals count only if they stand alone."""
    word = line.strip(" \t-–—.[]()")
    if ROMAN.fullmatch(word):
        digits = [ROMAN_VALUES[letter] for letter in word.lower()]
        return [sum(-a if a < b else a for a, b in zip(digits, [*digits[1:], 0], strict=True))]
    return [int(match[match.lastindex or 0]) for match in NUMBER.finditer(line)]


def key(line: str, numbers: set[int]) -> str:
    """The part that running lines have in common: the text without the page's number."""
    text = " ".join(line.split()).casefold()
    if numbers.intersection(values(line)) and ROMAN.fullmatch(text.strip(" \t-–—.[]()")):
        return COUNTED
    counted = sorted({match.span(match.lastindex or 0) for match in NUMBER.finditer(text) if int(match[match.lastindex or 0]) in numbers})
    for start, end in reversed(counted):
        text = text[:start] + COUNTED + text[end:]
    return text


def whole_words(texts: Sequence[str]) -> list[str]:
    """``texts`` of one document without the hyphens of words that were cut at a line end."""
    breaks = {(match[1], match[2]) for text in texts for match in BROKEN.finditer(text)}
    if not breaks:
        return list(texts)
    known = words_known(texts, {form for pair in breaks for form in forms(*pair)})

    def joined(match: re.Match[str]) -> str:
        first, second = match[1], match[2]
        whole, hyphened, *parts = forms(first, second)
        if whole in known:
            return first + second
        compound = hyphened in known or "-" in parts[0] or parts[0] in COMPOUNDING
        compound = compound or all(part in known and len(part) >= ALONE for part in parts)
        compound = compound or match.string[max(0, match.start() - 1) : match.start()] in tuple(ADDRESS)
        return first + second if second[0].islower() and not compound else f"{first}-{second}"

    return [BROKEN.sub(joined, text) for text in texts]


def forms(first: str, second: str) -> tuple[str, str, str, str]:
    """The ways a cut word can be written elsewhere: whole, with its hyphen, and as two words."""
    first, second = plain(first), plain(second)
    return first + second, f"{first}-{second}", first, second


def plain(word: str) -> str:
    return word.casefold().replace("‐", "-").replace("‑", "-")


def words_known(texts: Iterable[str], wanted: set[str]) -> set[str]:
    """Those of the ``wanted`` words that occur uncut in the texts."""
    known = set()
    for text in texts:
        for match in WORD.finditer(BROKEN.sub(" ", text)):
            word = plain(match[0])
            if word in wanted:
                known.add(word)
    return known
