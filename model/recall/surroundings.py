"""What stands around each sentence in memory: its memory, the sentences beside it, and the name of its document.

A question's words are spread over a passage, so what a sentence lacks may stand beside it.
"""

# s sentence · m memory · d document · l lane of a filter

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.recall.word_filter import contains, word_filters

__all__ = ["Surroundings"]


@dataclass(frozen=True)
class Surroundings:
    """Where sentences stand. The arrays may be memory-mapped."""

    owners: np.ndarray  # int64 [s], each sentence's memory, ascending
    starts: np.ndarray  # int64 [d + 1], first memory of each document, and one past the last of all
    names: np.ndarray  # uint64 [d, l], word filters of the documents' names

    @classmethod
    def of(cls, owners: np.ndarray, starts: np.ndarray, names: Sequence[str]) -> "Surroundings":
        """``names`` are those of the documents, such as ``manuals/coffee_machine.pdf``."""
        return cls(owners, starts, word_filters([name.replace("_", " ") for name in names]))

    @cached_property
    def firsts(self) -> np.ndarray:
        """Each memory's first sentence, int64 [m]."""
        return np.flatnonzero(np.diff(np.asarray(self.owners), prepend=-1))

    @cached_property
    def lengths(self) -> np.ndarray:
        """Sentences of each memory, int64 [m]."""
        return np.diff(self.firsts, append=len(self.owners))

    @cached_property
    def memories(self) -> np.ndarray:
        """Each sentence's memory among those that have sentences, int64 [s]."""
        return np.repeat(np.arange(len(self.firsts)), self.lengths)

    @cached_property
    def documents(self) -> np.ndarray:
        """Each sentence's document, int64 [s]."""
        return np.searchsorted(self.starts, np.asarray(self.owners), side="right") - 1

    @cached_property
    def continued(self) -> np.ndarray:
        """Whether the sentence behind is of the same document: bool [s − 1]."""
        return np.diff(self.documents) == 0

    def around(self, held: np.ndarray, named: np.ndarray) -> np.ndarray:
        """Where a word stands in the sentence, beside it, in its memory or in its document's name: bool [s].

        ``held`` [s] says which sentences hold the word, ``named`` [d] which names do.
        """
        holders = np.zeros(len(self.firsts), bool)
        holders[self.memories[held]] = True
        near = holders[self.memories]
        near[1:] |= held[:-1] & self.continued
        near[:-1] |= held[1:] & self.continued
        return near | named[self.documents] if named.any() else near

    def named(self, word: str) -> np.ndarray:
        """Which documents' names hold a word: bool [d]."""
        return contains(self.names, word)

    def over_memories(self, cosines: np.ndarray, alike: float) -> np.ndarray:
        """The cosine of a query with the sum of the vectors of each sentence's memory, float32 [s], from those with each sentence.

        ``alike`` is the cosine of two vectors of one memory, in the mean: the length of a sum is reckoned from it.
        """
        length = np.sqrt(self.lengths + self.lengths * (self.lengths - 1) * alike)
        return (np.add.reduceat(cosines, self.firsts) / length).astype(np.float32)[self.memories]
