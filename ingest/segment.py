"""Cuts pages into segments: as many sentences as fit into one memory."""

from collections.abc import Callable, Iterator

from ingest.sentences import sentence_spans
from ingest.types import Document, Page, Segment

__all__ = ["segments"]

STRETCH = 200_000
"""Characters tokenized at once: bounds the memory taken by a text without a single sentence end."""


def segments(document: Document, encode: Callable[[str], list[int]], longest: int) -> Iterator[Segment]:
    """Segments of at most ``longest`` tokens that cover the whole document, page by page, sentence by sentence.

    ``encode`` turns text into tokens. A segment never crosses a page, and splits a sentence only if that alone is longer than ``longest``.
    """
    for page in document.pages:
        packed: list[tuple[int, ...]] = []
        room = longest
        for sentence in sentences(page, encode, longest):
            if len(sentence) > room:
                yield Segment(page.number, tuple(packed))
                packed, room = [], longest
            packed.append(sentence)
            room -= len(sentence)
        if packed:
            yield Segment(page.number, tuple(packed))


def sentences(page: Page, encode: Callable[[str], list[int]], longest: int) -> Iterator[tuple[int, ...]]:
    """Tokens of each sentence. A sentence longer than ``longest`` is split into pieces."""
    for start, end in sentence_spans(page.text):
        for first in range(start, end, STRETCH):
            tokens = encode(page.text[first : min(end, first + STRETCH)])
            for at in range(0, len(tokens), longest):
                yield tuple(tokens[at : at + longest])
