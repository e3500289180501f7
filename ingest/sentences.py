"""Sentences of a text as character spans that cover all of it."""

import re

__all__ = ["sentence_spans"]

BOUNDARY = re.compile(
    r"""(?<=[.!?…])["'”’)\]]*(?=\s+["'“‘(\[]?[^\W_a-z])   # end of a sentence, then no small letter
      | (?=\n[ \t]*\n)                                     # blank line
      | (?<=[。！？])""",
    re.VERBOSE,
)
SHORTEST = 25
"""Characters below which a piece ("Dr.", "No. 5") is taken for a part of the next sentence."""


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Spans (start, end) in characters, in order, without gaps: ``"".join(text[a:b])`` is ``text``.

    White space before a sentence belongs to it. An empty text has none.
    """
    spans, start = [], 0
    for match in BOUNDARY.finditer(text):
        if match.end() - start >= SHORTEST:
            spans.append((start, match.end()))
            start = match.end()
    if start < len(text):
        spans.append((start, len(text)))
    return spans
