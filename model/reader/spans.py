"""Answers as spans of a passage: the best of a window's scores, whole words, and which spans say the same."""

# n token of a piece

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.reader.network import NO, NOTHING, YES
from model.reader.reader import Scores
from model.reader.windows import Piece

__all__ = ["LONGEST_ANSWER", "Reading", "best_of_window", "normal", "whole_words"]

LONGEST_ANSWER = 96
"""Tokens: a clause, a step or the items of a list."""
SPANS = 20
"""Best spans of each window that are compared with those of others."""
FIRST_UNSPACED = "\u2e80"
"""From here on are the scripts of East Asia."""
TOKEN = re.compile(r"\S+")
WHOLE = re.compile(
    r"-{1,2}[A-Za-z][\w-]*(?:[=.:/][^\s,;]*)?"  # an option
    r"|(?:~|\.{0,2})/[^\s,;]+|[A-Za-z]:\\\S+|\w+://\S+|\.[A-Za-z]\w+"  # a path, an address, a file with a dot in front
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:/\S*)?"  # mail, host, file name, number with dots
    r"|[$€£#@]?[+-]?\d[\d.,:/]*\d?[%°]?\w*"  # a number or amount, a date, a time
    r"|[$@#]\w+"  # a variable, a handle
)
"""Tokens that are answers as a whole or not at all."""
NUMERAL = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
NUMERAL += "|score|dozen|hundred|thousand|million|billion"
NUMBER = re.compile(rf"\b(?:(?:{NUMERAL})\b(?:[ -]+(?:and )?(?=(?:{NUMERAL})\b))?)+", re.IGNORECASE)
"""A number in words, such as four score and seven."""
SHORTENED = re.compile(r"\b(?:[A-Za-z]|Inc|Ltd|Co|Corp|Jr|Sr|Mr|Mrs|Dr|etc|vs|approx|no|p|pp)\.$")
"""Words that end with a full stop of their own."""
PAIRS = {"(": ")", "[": "]", "{": "}", "«": "»", "“": "”", "‘": "’", '"': '"', "`": "`"}


@dataclass(frozen=True)
class Reading:
    """An answer: characters ``start`` to ``end`` of passage ``passage``, or ``kind`` YES or NO.

    Where several spans say the same, this is the best of them, and score and confidence are of all together.
    """

    passage: int
    start: int
    end: int
    kind: int | None  # YES, NO or None for a span
    score: float  # of the answer above nothing, in logits
    confidence: float  # probability among all answers of all windows and nothing


def best_of_window(window: Sequence[Piece], scores: Scores) -> tuple[list[Reading], Tensor]:
    """The window's best answers, and the sum of its scores of every answer [1], all relative to its score of nothing."""
    said = scores.special - scores.special[NOTHING]
    readings = [Reading(window[0].passage, 0, 0, kind, float(said[kind]), 0.0) for kind in (YES, NO)]
    everything = [said[[YES, NO]]]
    for piece, spans in zip(window, scores.spans, strict=True):
        pairs = spans + torch.tensor(piece.prior)[:, None] - scores.special[NOTHING]
        band = torch.ones_like(pairs, dtype=torch.bool).triu().tril(LONGEST_ANSWER)
        pairs = pairs.masked_fill(~band, -torch.inf)
        everything.append(pairs[band])
        best, places = pairs.flatten().topk(min(SPANS, int(band.sum())))
        for score, (i, j) in zip(best.tolist(), (divmod(place, len(piece.ids)) for place in places.tolist()), strict=True):
            readings.append(Reading(piece.passage, piece.offsets[i][0], piece.offsets[j][1], None, score, 0.0))
    readings.sort(key=lambda reading: -reading.score)
    return readings[:SPANS], torch.cat(everything).logsumexp(0, keepdim=True)


def whole_words(text: str, reading: Reading) -> Reading:
    """The reading with its words whole: no word, number, option, path or address of ``text`` is cut, and no stray sign is kept."""
    start, end = reading.start, reading.end
    begin = start
    while begin and not text[begin - 1].isspace():
        begin -= 1
    for token in TOKEN.finditer(text, begin):  # in white space; scripts without spaces are left alone
        if token.start() >= end:
            break
        if token.end() <= start or any(c >= FIRST_UNSPACED for c in token[0]):
            continue
        first, last = max(start, token.start()) - token.start(), min(end, token.end()) - token.start()
        for part in parts_of(token[0]):
            if part.start() < last and part.end() > first:
                start, end = min(start, token.start() + part.start()), max(end, token.start() + part.end())
    for number in NUMBER.finditer(text, max(0, start - 60), end + 60):
        if number.start() < end and number.end() > start and NUMBER.fullmatch(text[start:end].strip()):
            start, end = min(start, number.start()), max(end, number.end())
    while start < end and (text[start].isspace() or text[start] in ",;:" or is_unpaired(text, start, end, start)):
        start += 1
    while start < end and (text[end - 1].isspace() or text[end - 1] in ",;:" or is_unpaired(text, start, end, end - 1)):
        end -= 1
    if text[start:end].count("(") > text[start:end].count(")") and text[end : end + 1] == ")":
        end += 1
    if text[end - 1 : end] == "." and text[start:end].rpartition(" ")[2].count(".") == 1 and not SHORTENED.search(text[start:end]):
        end -= 1
    return replace(reading, start=start, end=end) if start < end else reading


def parts_of(token: str) -> Iterable[re.Match[str]]:
    """The pieces of a token that must not be cut: the whole of an option, path, address, number or amount, else its words."""
    whole = WHOLE.fullmatch(token.rstrip(".,;:!?)]}>»”’\"'").lstrip("([{<«“‘\"'`"))
    if whole:
        return re.finditer(re.escape(whole[0]), token)
    return re.finditer(r"[^\W_]+(?:(?:[_-]|['’](?!s\b))[^\W_]+)*", token)


def is_unpaired(text: str, start: int, end: int, at: int) -> bool:
    """Whether a quotation mark or bracket at ``at`` has no partner between ``start`` and ``end``."""
    sign = text[at]
    if sign in PAIRS:
        return PAIRS[sign] not in text[start:end] if PAIRS[sign] != sign else text.count(sign, start, end) % 2 == 1
    return sign in PAIRS.values() and next(a for a, z in PAIRS.items() if z == sign) not in text[start:end]


def normal(text: str) -> str:
    """Words alone, in lower case, without articles in front."""
    words = re.findall(r"\w+", text.lower())
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words) or text
