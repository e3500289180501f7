"""Other spellings of a question's words: joined, split, and with a typing error undone."""

from collections.abc import Sequence
from functools import lru_cache
from string import ascii_lowercase

from model.bert import vocabulary
from model.recall.word_filter import FUNCTION_WORDS, stem

__all__ = ["corrections", "joined", "split"]

SHORTEST = 4
"""Letters of a word that may have a typing error."""
PART = 3
"""Letters of each of two words that are written as one, where the first is no prefix."""
PREFIXES = frozenset({"e", "wi", "co"})
"""What stands before a hyphen that many leave out: e-mail, wi-fi, co-author."""


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """Stems of the whole words that the encoder knows."""
    return frozenset(stem(word) for word in vocabulary() if len(word) >= PART and word.isascii() and word.isalpha())


def joined(words: Sequence[str], number: int) -> list[str]:
    """One word for a word and the one before it or behind it: ``email`` for ``e``, ``mail``."""
    pairs = [words[i : i + 2] for i in (number - 1, number) if 0 <= i < len(words) - 1]
    return [one + other for one, other in pairs if one in PREFIXES or one + other in known_words()]


def split(word: str) -> list[tuple[str, str]]:
    """Two words for one: ``super``, ``bowl`` for ``superbowl``."""
    parts = [(word[:i], word[i:]) for i in range(1, len(word) - 1)]
    return [(one, other) for one, other in parts if one in PREFIXES or (whole(one) and whole(other))]


def whole(word: str) -> bool:
    return len(word) >= PART and word in known_words()


@lru_cache(maxsize=1_000)
def corrections(word: str) -> tuple[str, ...]:
    """Known words with one letter more, less or other, or two in the other order; none for known words, short ones and numbers."""
    if len(word) < SHORTEST or not (word.isascii() and word.isalpha()) or word in known_words():
        return ()
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    less = {one + other[1:] for one, other in cuts if other}
    swapped = {one + other[1] + other[0] + other[2:] for one, other in cuts if len(other) > 1}
    changed = {one + letter + other[cut:] for one, other in cuts for letter in ascii_lowercase for cut in (0, 1)}
    return tuple(sorted(({stem(one) for one in less | swapped | changed} & known_words()) - FUNCTION_WORDS - {word}))
