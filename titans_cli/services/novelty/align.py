"""Aligns a sentence with a recitation word by word: which words they share, and which only one of them has."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import pairwise

from model.recall.word_filter import FUNCTION_WORDS

__all__ = ["Alignment", "Items", "align", "items_of", "runs_over"]

ALONE = r"\u0e00-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts that put no spaces between words: Thai to Myanmar, Khmer, Chinese, Japanese, Korean. Each letter counts as a word."""
ITEM = re.compile(rf"[{ALONE}]|[^\W{ALONE}]+|([^\w\s\ufffd])\1*")
"""A word, or a run of one sign; not what is left of a character that was cut."""
SAME = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-", "‑": "-"})
"""Punctuation marks that have several forms."""
ANCHOR = 3
"""Words in a row, one of them with a meaning of its own, that are no chance. One more without."""
REACH = 6
"""Words between an anchor and another match that belongs to it, in either text."""


@dataclass(frozen=True)
class Items:
    """The words and punctuation marks of a text."""

    text: str
    spans: tuple[tuple[int, int], ...]  # characters of each
    forms: tuple[str, ...]  # each without what does not count: case, compatibility forms, shapes of quotes and dashes

    @cached_property
    def wordy(self) -> tuple[bool, ...]:
        """Which items are words."""
        return tuple(form[0].isalnum() or form[0] == "_" for form in self.forms)

    @cached_property
    def line(self) -> str:
        return "\x00" + "\x00".join(self.forms) + "\x00"


def items_of(text: str) -> Items:
    found = list(ITEM.finditer(text))
    forms = tuple(unicodedata.normalize("NFKC", m.group()).casefold().translate(SAME) or m.group() for m in found)
    return Items(text, tuple(m.span() for m in found), forms)


def runs_over(later: Items, earlier: Items) -> bool:
    """Whether ``earlier`` ends with the beginning of ``later``."""
    most = min(len(later.forms), len(earlier.forms))
    return any(later.forms[:n] == earlier.forms[-n:] for n in range(2, most + 1))


@dataclass(frozen=True)
class Alignment:
    """Which items of a sentence a recitation contains."""

    known: frozenset[int]  # items of the sentence
    missing: tuple[tuple[int, int, int], ...]  # (i, a, b): its items a to b stand where item i does in the sentence
    place: tuple[int, int]  # items of the recitation, from the first to behind the last; empty where nothing is known
    whole: bool  # it holds the sentence word for word, in one piece


NOTHING = Alignment(frozenset(), (), (0, 0), False)


def align(sentence: Items, recited: Items, least: int = ANCHOR) -> Alignment:
    """Align ``recited`` with ``sentence``.

    Words match if at least ``least`` of them are consecutive in both texts, or if they are near such a run. Other single words, which any
    two texts share, do not match.
    """
    count = len(sentence.forms)
    if not count:
        return NOTHING
    at = recited.line.find(sentence.line)
    if at >= 0:
        first = recited.line.count("\x00", 0, at)
        return Alignment(frozenset(range(count)), (), (first, first + count), True)
    matcher = SequenceMatcher(None, sentence.forms, recited.forms, autojunk=False)
    blocks = [tuple(block) for block in matcher.get_matching_blocks() if block.size]
    enough = min(least, max(1, (sum(sentence.wordy) + 1) // 2))
    kept = belonging(blocks, [is_anchor(sentence, a, size, enough) for a, _, size in blocks])
    if not kept:
        return NOTHING
    known = frozenset(a + i for a, _, size in kept for i in range(size))
    missing = []
    for (a, b, size), (next_a, next_b, _) in pairwise(kept):
        if 0 < next_b - (b + size) <= REACH and next_a - (a + size) <= REACH:
            missing.append((a + size, b + size, next_b))
    return Alignment(known, tuple(missing), (kept[0][1], kept[-1][1] + kept[-1][2]), False)


def is_anchor(sentence: Items, first: int, size: int, enough: int) -> bool:
    run = [sentence.forms[i] for i in range(first, first + size) if sentence.wordy[i]]
    return len(run) > enough or (len(run) == enough and any(form not in FUNCTION_WORDS for form in run))


def belonging(blocks: Sequence[tuple[int, ...]], anchors: Sequence[bool]) -> list[tuple[int, int, int]]:
    """The blocks (a, b, size) that are anchors, or can be reached from one by steps of at most ``REACH`` items in both texts."""
    kept = list(anchors)
    for order in (range(1, len(blocks)), range(len(blocks) - 2, -1, -1)):
        forward = order.step > 0
        for i in order:
            (a, b, size), (next_a, next_b, _) = (blocks[i - 1], blocks[i]) if forward else (blocks[i], blocks[i + 1])
            near = next_a - (a + size) <= REACH and next_b - (b + size) <= REACH
            kept[i] = kept[i] or (near and kept[i - 1 if forward else i + 1])
    return [(a, b, size) for (a, b, size), keep in zip(blocks, kept, strict=True) if keep]
