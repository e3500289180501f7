"""Converts the sentence vectors of an index to the model's type."""

from model import SentenceVectors
from titans_cli.store import MemoryIndex

__all__ = ["vectors_of"]


def vectors_of(index: MemoryIndex) -> SentenceVectors:
    """Vectors and word filters of all sentences, memory-mapped."""
    return SentenceVectors(index.vectors, index.scales, index.words)
