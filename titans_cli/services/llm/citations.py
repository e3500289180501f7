"""Checks citations in text that a language model writes: only quotes that it was given may be cited."""

import re
from collections.abc import Sequence

from titans_cli.services.llm.quotes import Quote

__all__ = ["Citations"]

LONGEST = 10
"""Most quotes in a range such as 1-3."""


class Citations:
    """Passes on streamed text; citations of unknown quotes become [?].

    The text must be sanitized before, because removed characters could form a citation. ``cited`` are the quotes that the text cites, in
    the order of their first mention.
    """

    CITED = re.compile(r"[\[【](\d[\d,;\s–-]*)(?:†[^\]】]*)?[\]】]")
    BEGUN = re.compile(r"[\[【](?:\d[\d,;\s–-]{0,40}(?:†[^\]】]{0,40})?)?\Z")

    def __init__(self, quotes: Sequence[Quote]):
        self.quotes = quotes
        self.cited: list[Quote] = []
        self.held = ""

    def feed(self, text: str) -> str:
        """The part of the text so far that can be shown."""
        self.held += text
        begun = self.BEGUN.search(self.held)
        cut = begun.start() if begun else len(self.held)
        ready, self.held = self.held[:cut], self.held[cut:]
        return self.CITED.sub(self.check, ready)

    def finish(self) -> str:
        """The rest of the text."""
        ready, self.held = self.held, ""
        return self.CITED.sub(self.check, ready)

    def check(self, match: re.Match[str]) -> str:
        shown = []
        for number in numbers_in(match[1]):
            if not 1 <= number <= len(self.quotes):
                shown.append("[?]")
                continue
            shown.append(f"[{number}]")
            if self.quotes[number - 1] not in self.cited:
                self.cited.append(self.quotes[number - 1])
        return "".join(dict.fromkeys(shown))


def numbers_in(text: str) -> list[int]:
    """The numbers of "1, 3-5"; of a range that is too long or reversed, only its ends."""
    numbers: list[int] = []
    for part in re.split(r"[,;\s]+", re.sub(r"\s*[–-]\s*", "-", text)):
        ends = [int(end[:9]) for end in part.split("-") if end]
        if len(ends) == 2 and 0 < ends[1] - ends[0] < LONGEST:
            numbers += range(ends[0], ends[1] + 1)
        else:
            numbers += ends
    return numbers
