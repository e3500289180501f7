"""Splits a text into sentences: character spans that cover all of it."""

import re
from itertools import islice

__all__ = ["sentence_spans"]

BOUNDARY = re.compile(
    r"""(?<=[.!?…])["'”’)\]]*(?=\s+["'“‘(\[]?[^\W_a-z])   # end of a sentence, then no small letter
      | (?=\n[ \t]*\n)                                     # blank line
      | (?<=[。！？])""",
    re.VERBOSE,
)
FEWEST = 3
"""Number of words below which a piece ("Dr.", "No. 5") is part of the next sentence."""
WORD = re.compile(r"\w+")
ABBREVIATION = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sir|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Jr|Sr|No|Nos|Vol|Fig|Figs|Eq|Ch|Sec|pp?|vs|cf|al|approx|e\.g|i\.e|[A-Z])\.$"
)
"""Matches the end of a piece that continues."""
LONGEST_ABBREVIATION = 10
"""Characters at the end of a piece that are searched for an abbreviation."""


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Spans (start, end) in characters, in order, without gaps: ``"".join(text[a:b])`` is ``text``.

    White space before a sentence belongs to it. An empty text has none.
    """
    spans, start = [], 0
    for match in BOUNDARY.finditer(text):
        end = match.end()
        goes_on = ABBREVIATION.search(text[max(start, end - LONGEST_ABBREVIATION) : end])
        if not goes_on and len(list(islice(WORD.finditer(text, start, end), FEWEST))) == FEWEST:
            spans.append((start, end))
            start = end
    if start < len(text):
        spans.append((start, len(text)))
    return spans
