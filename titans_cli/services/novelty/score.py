"""Computes the surprise of a sentence from its alignment with recitations.

Titans calls surprise what a memory fails to predict (eq. 8 and 12); here, of a sentence,

    wording   nats of its words that no retrieved recitation holds in a row of words, and of words that the recitation has besides,
              as a share of all its nats. A word's nats are what the memorizer's short-term core failed to expect.
    meaning   0 where no sentence in memory is alike, 1 where one has the very same vector; from ``ALIKE`` on
    surprise  wording · (1 − wording · meaning)

so a sentence known word for word has 0, a changed word counts by how much it tells, and a sentence in words of its own surprises less
the more its meaning is known.
"""

import codecs
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import tiktoken

from model.recall.neighbors import Neighbor
from titans_cli.services.novelty.align import Alignment, Items, align, items_of

__all__ = [
    "KINDS",
    "Aligned",
    "DocumentSentence",
    "Known",
    "Missing",
    "SurprisingSentence",
    "best_of",
    "document_sentence",
    "score_sentence",
]

KINDS = ("verbatim", "partly", "reworded", "new")
"""Known word for word; known but for some words; known by what it means; not known."""
ALIKE = 0.6
"""Cosine from which two sentences are about the same thing."""
SAID = 0.75
"""Cosine from which a sentence says the same as one in memory."""
PARTLY = 0.6
"""Wording up to which a sentence is known in part."""
FAR = 6
"""Words in a row that count in further recitations: what an edit put in the place of known words may stand elsewhere by chance."""
FEWEST = 0.25
"""Least nats of a word, also of one that the core expected with certainty."""


@dataclass(frozen=True)
class Known:
    """The recitation from which a sentence is known."""

    document: str
    page: int | None
    text: str  # what it says there
    verbatim: bool  # the recitation's checksum is that of the text which was memorized


@dataclass(frozen=True)
class Missing:
    """Words that a recitation has after character ``at`` of the sentence, but the sentence has not."""

    at: int
    text: str


@dataclass(frozen=True)
class SurprisingSentence:
    """A sentence of the document, or a piece of a very long one."""

    text: str  # with the white space before it
    page: int | None
    kind: str  # of ``KINDS``
    surprise: float  # 0..1, see the module's docstring
    wording: float  # 0..1
    likeness: float  # cosine of its vector with the most alike in memory
    nearest: int | None  # that sentence in memory
    new: tuple[tuple[int, int], ...]  # characters of ``text`` that no retrieved recitation holds; none where all is new
    missing: tuple[Missing, ...]
    known: Known | None = None


@dataclass(frozen=True)
class DocumentSentence:
    """A sentence of the document before it is scored."""

    items: Items
    page: int | None
    nats: tuple[float, ...]  # of each item


@dataclass(frozen=True)
class Aligned:
    """A sentence aligned with the recitation of one memory, or of consecutive memories."""

    first: int  # number of the first memory
    items: Items
    alignment: Alignment


def score_sentence(line: DocumentSentence, aligned: Sequence[Aligned], best: Aligned | None, alike: Neighbor | None) -> SurprisingSentence:
    """The scored sentence; ``best`` of ``aligned`` explains most of it, ``alike`` is nearest in meaning."""
    whole = best is not None and best.alignment.whole
    known = set(best.alignment.known) if best else set()
    for other in aligned:
        if not whole and other is not best:
            known |= align(line.items, other.items, FAR).known
    fresh = [i for i in range(len(line.nats)) if i not in known]
    wording = 0.0 if whole else wording_of(line, fresh, best.alignment if best else None)
    likeness = alike.cosine if alike else 0.0
    meaning = min(1.0, max(0.0, (likeness - ALIKE) / (1 - ALIKE)))
    kind = kind_of(wording, likeness, whole)
    partly = kind == "partly"
    return SurprisingSentence(
        text=line.items.text,
        page=line.page,
        kind=kind,
        surprise=wording * (1 - wording * meaning),
        wording=wording,
        likeness=likeness,
        nearest=alike.sentence if alike else None,
        new=spans_of(line.items, fresh) if partly else (),
        missing=missing_of(best, line.items) if best and partly else (),
    )


def best_of(line: DocumentSentence, aligned: Sequence[Aligned], expected: Sequence[int]) -> Aligned | None:
    """The recitation that explains most of a sentence; of equals one that begins with an ``expected`` memory, or the first."""
    return max(aligned, key=lambda one: (explained_nats(line, one.alignment), one.first in expected), default=None)


def document_sentence(tokenizer: tiktoken.Encoding, sentence: Sequence[int], page: int | None, nats: Sequence[float]) -> DocumentSentence:
    """A sentence with the nats of its tokens assigned to its words: a token belongs to the word that contains its last letter."""
    text, ends = tokenizer.decode(list(sentence)), ends_of(tokenizer.decode_tokens_bytes(list(sentence)))
    items = items_of(text)
    firsts, shares = [start for start, _ in items.spans], [FEWEST] * len(items.spans)
    for end, cost in zip(ends, nats, strict=True):
        if shares:
            shares[max(0, bisect_right(firsts, max(0, end - 1)) - 1)] += cost
    return DocumentSentence(items, page, tuple(shares))


def ends_of(tokens: Sequence[bytes]) -> list[int]:
    """The position after each token's last character. Where a very long sentence is cut, a character may be cut too."""
    decoder, ends, at = codecs.getincrementaldecoder("utf-8")("replace"), [], 0
    for token in tokens:
        at += len(decoder.decode(token))
        ends.append(at)
    return ends


def explained_nats(line: DocumentSentence, aligned: Alignment) -> float:
    """Nats of a sentence that a recitation explains."""
    return sum(line.nats[i] for i in aligned.known) + aligned.whole - 0.1 * len(aligned.missing)


def kind_of(wording: float, likeness: float, whole: bool) -> str:
    if whole:
        return "verbatim"
    if wording <= PARTLY:
        return "partly"
    return "reworded" if likeness >= SAID else "new"


def wording_of(line: DocumentSentence, fresh: Sequence[int], aligned: Alignment | None) -> float:
    """The share of a sentence's nats that is not explained. Extra words of the recitation count like the sentence's own words.

    Extra words that are replaced by new words in the sentence do not count, because the new words count already.
    """
    total = sum(line.nats)
    if not total:  # no word and no sign
        return 0.0
    lost = sum(last - first for at, first, last in aligned.missing if at in aligned.known) if aligned else 0
    left = lost * total / len(line.nats)
    return min(1.0, (sum(line.nats[i] for i in fresh) + left) / (total + left))


def missing_of(aligned: Aligned, items: Items) -> tuple[Missing, ...]:
    recited = aligned.items
    return tuple(
        Missing(items.spans[at - 1][1], recited.text[recited.spans[first][0] : recited.spans[last - 1][1]])
        for at, first, last in aligned.alignment.missing
    )


def spans_of(items: Items, chosen: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Character spans of the items ``chosen``; consecutive items share one span."""
    spans: list[tuple[int, int]] = []
    for i in chosen:
        start, end = items.spans[i]
        if spans and i and spans[-1][1] == items.spans[i - 1][1]:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))
    return tuple(spans)
