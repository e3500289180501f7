"""Word filters: which words a sentence holds, as a Bloom filter (Bloom 1970) of 56 bytes. Needs no torch.

Names, part numbers and identifiers have no meaning that a vector could match. A filter says of a word that it is not there, or that
it probably is: about one in thirty thousand times wrongly in a sentence of twelve words, one in a hundred in one of forty.
How rare a word is among all sentences is counted when a question comes, from the filters themselves.
"""

# s sentence · l lane

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

__all__ = ["BITS", "FUNCTION_WORDS", "LANES", "by_chance", "contains", "content_words", "word_filters"]

LANES = 7
"""Words of 64 bits. A word's bits lie all in one, so that looking for it touches one column."""
BITS = 5
"""Bits of a word."""
SAMPLE = 4_096
"""Filters from which is reckoned how many hold a word by chance."""

WORD = re.compile(r"\w+")
FUNCTION_WORDS = frozenset(
    WORD.findall(
        "a about after all also am an and any are as at be because been before being between both but by can could did do does during each "
        "for from had has have having he her here hers him his how i if in into is it its just me more most my no nor not of off on once "
        "only or other our out over own s same she should so some such t than that the their them then there these they this those through "
        "to too under until up very was we were what when where which while who whom whose why will with would you your"
    )
)


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """The word without plural endings (Harman 1991, "How effective is suffixing?"); numbers and short words stay."""
    if len(word) < 4 or not word.isalpha() or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") else word


def content_words(text: str) -> list[str]:
    """Distinct stemmed words in their order, without function words, accents and ligatures."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return list(dict.fromkeys(stem(word) for word in WORD.findall(text.lower()) if word not in FUNCTION_WORDS))


@lru_cache(maxsize=200_000)
def bits_of(word: str) -> tuple[int, int]:
    """The word's lane, and its bits there."""
    digest = blake2b(word.encode(), digest_size=8).digest()
    mask = 0
    for byte in digest[:BITS]:
        mask |= 1 << byte % 64
    return digest[-1] % LANES, mask


def word_filters(texts: Sequence[str]) -> np.ndarray:
    """Filters of the words of each text, uint64 [s, l]."""
    rows = [[0] * LANES for _ in texts]
    for row, text in zip(rows, texts, strict=True):
        for word in content_words(text):
            lane, mask = bits_of(word)
            row[lane] |= mask
    return np.array(rows, np.uint64).reshape(len(rows), LANES)


def contains(filters: np.ndarray, word: str) -> np.ndarray:
    """Which of the filters [s, l] probably hold a word of ``content_words``: bool [s]."""
    lane, mask = bits_of(word)
    return (filters[:, lane] & np.uint64(mask)) == np.uint64(mask)


def by_chance(word: str, filters: np.ndarray) -> float:
    """How many of the filters [s, l] say that they hold ``word`` although none does: about this many, and seldom more."""
    if not len(filters):
        return 0.0
    lane, _ = bits_of(word)
    column = np.ascontiguousarray(filters[:: max(1, len(filters) // SAMPLE), lane])
    fill = np.unpackbits(column.view(np.uint8)).reshape(len(column), -1).mean(1)
    expected = float((fill**BITS).mean()) * len(filters)
    return expected + expected**0.5
