"""What a document tells this memory that is new, and what of it the memory knew: wake, recite, lay beside each other.

Nothing is memorized. Titans calls surprise what a memory fails to predict (eq. 8 and 12); here, of a sentence,

    wording   nats of its words that no woken recitation holds in a row of words, and of words that the recitation has besides,
              as a share of all its nats. A word's nats are what the memorizer's short-term core failed to expect.
    meaning   0 where no sentence in memory is alike, 1 where one has the very same gist; from ``ALIKE`` on
    surprise  wording · (1 − wording · meaning)

so a sentence known word for word has 0, a changed word counts by how much it tells, and a sentence in words of its own is the calmer
the more its meaning is known.
"""

import os
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import tiktoken

from ingest import Document, Extractor, Options, SourceError, find_sources, segments
from model import Gists, Near, checksum, nearest, recite, sentence_gists, sentence_texts, token_nats
from titans_cli.errors import TitansError, UsageError
from titans_cli.models import Models
from titans_cli.store import MemoryIndex, Store, open_index
from titans_cli.usecases.alignment import Alignment, Items, align, items_of
from titans_cli.usecases.memorize import Progress

__all__ = ["KINDS", "Known", "Missing", "Spectator", "Surprise", "SurprisingSentence", "read_one", "surprise"]

KINDS = ("verbatim", "partly", "reworded", "new")
"""Known word for word; known but for some words; known by what it means; not known."""
WAKE = 3
"""Memories that a sentence wakes."""
LIKELY = 0.62
"""Score that the others than the best need: what is less like a sentence holds no row of its words."""
ALIKE = 0.6
"""Cosine from which two sentences are taken to speak of the same thing."""
SAID = 0.75
"""Cosine from which a sentence is taken to say what one in memory says."""
PARTLY = 0.6
"""Wording up to which a sentence is known in part."""
FAR = 6
"""Words in a row that count in further recitations: what an edit put in the place of known words may stand elsewhere by chance."""
FEWEST = 0.25
"""Nats of a word that the core was sure of."""
GROUP = 32
"""Segments encoded at once, as when they are memorized: the same sentence in the same document has the same gist."""
RECITED = 64
"""Memories recited at once."""


@dataclass(frozen=True)
class Known:
    """The recitation that a sentence is known from."""

    document: str
    page: int | None
    text: str  # what it says there
    verbatim: bool  # the recitation's checksum is that of the text which was memorized


@dataclass(frozen=True)
class Missing:
    """Words that a recitation has behind character ``at`` of the sentence, and the sentence has not."""

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
    likeness: float  # cosine of its gist with the most alike in memory
    nearest: int | None  # that sentence in memory
    new: tuple[tuple[int, int], ...]  # characters of ``text`` that no woken recitation holds; none where all is new
    missing: tuple[Missing, ...]
    known: Known | None


@dataclass(frozen=True)
class Surprise:
    """A document read beside the memory."""

    document: str
    sentences: tuple[SurprisingSentence, ...]
    known_from: tuple[tuple[str, int], ...]  # documents in memory and the sentences that are known from them, most first
    recited: int  # memories
    empty_pages: tuple[int, ...]
    failed_pages: tuple[tuple[int, str], ...]
    elapsed_ms: int

    @property
    def mean(self) -> float:
        """Mean surprise of the sentences, each counting by its length."""
        return sum(s.surprise * len(s.text) for s in self.sentences) / max(1, sum(len(s.text) for s in self.sentences))

    def count(self, kind: str) -> int:
        return sum(sentence.kind == kind for sentence in self.sentences)


@dataclass(frozen=True)
class Line:
    """A sentence of the document before it is judged."""

    items: Items
    page: int | None
    nats: tuple[float, ...]  # of each item


@dataclass(frozen=True)
class Recited:
    """A memory, recited."""

    items: Items
    sentences: tuple[tuple[int, int], ...]  # characters of each
    page: int | None
    verbatim: bool


def read_one(path: Path, progress: Progress, models: Models, encoding: str | None = None) -> Document:
    """The text of one file or of standard input ("-"), extracted in a process of its own. Raises TitansError."""
    sources, problems = find_sources([path])
    if problems:
        raise TitansError(str(problems[0]))
    if len(sources) != 1 or path.is_dir():
        raise UsageError(f"{path} is a folder. Name one file in it: titans surprise FILE")
    passwords = tuple(filter(None, [os.environ.get("TITANS_PDF_PASSWORD")]))
    with Extractor(Options(encoding, None, passwords)) as extractor:
        extractor.start()
        models.load()
        (outcome,) = extractor.documents(sources)
    if isinstance(outcome, SourceError):
        raise TitansError(str(outcome))
    progress.begin(1, outcome.size)
    progress.file(outcome.source.name, outcome.pages[-1].number, outcome.size)
    return outcome


def surprise(home: Path, models: Models, path: Path, progress: Progress, encoding: str | None = None) -> Surprise:
    """Read the file at ``path`` beside the memory at ``home``, which is not changed. Raises TitansError."""
    with Store.open(home) as store:
        head = store.require_head(models.fingerprint)
        index = open_index(store, head)
    begun = time.monotonic()
    document = read_one(path, progress, models, encoding)
    result = Spectator(models, index).look(document, progress, begun)
    progress.done(document.size)
    return result


class Spectator:
    """Reads documents beside a memory; recites each memory once, also for several documents."""

    def __init__(self, models: Models, index: MemoryIndex):
        self.models, self.index = models, index
        self.recited: dict[int, Recited] = {}

    def look(self, document: Document, progress: Progress, begun: float) -> Surprise:
        """How surprising ``document`` is; ``begun`` (monotonic seconds) is when its reading began."""
        lines, gists = self.read(document, progress)
        near = nearest(gists, [line.items.text for line in lines], self.index.gists)
        woken = self.wake(lines, near)
        sentences, before = [], None
        owners: Counter[str] = Counter()
        for line, fits, memories in zip(lines, near, woken, strict=True):
            sentence, before = self.judge(line, fits, memories, before)
            sentences.append(sentence)
            if sentence.known is not None:
                owners[sentence.known.document] += 1
        return Surprise(
            document=document.source.name,
            sentences=tuple(sentences),
            known_from=tuple(owners.most_common()),
            recited=len({memory for memories in woken for memory in memories}),
            empty_pages=document.empty_pages,
            failed_pages=document.failed_pages,
            elapsed_ms=int((time.monotonic() - begun) * 1000),
        )

    def read(self, document: Document, progress: Progress) -> tuple[list[Line], Gists]:
        """The document's sentences and their gists, made as when it is memorized."""
        tokenizer, lines, gists = self.models.tokenizer, [], []
        stream = segments(document, tokenizer.encode_ordinary, self.models.memorizer.config.segment)
        characters, read = sum(len(page.text) for page in document.pages), 0
        while group := list(islice(stream, GROUP)):
            nats = token_nats(self.models.memorizer, [[t for sentence in s.sentences for t in sentence] for s in group])
            made = []
            for segment, costs in zip(group, nats, strict=True):
                cost = iter(costs)
                for sentence in segment.sentences:
                    made.append(line_of(tokenizer, sentence, segment.page, list(islice(cost, len(sentence)))))
            gists.append(sentence_gists(self.models.core, [line.items.text for line in made], [line.page or 0 for line in made]))
            lines += made
            read += sum(len(line.items.text) for line in made)
            progress.page(group[-1].page, sum(map(len, nats)), read / characters)
        return lines, Gists.join(gists)

    def wake(self, lines: Sequence[Line], near: Sequence[Sequence[Near]]) -> list[list[int]]:
        """The memories to be laid beside each sentence, all recited: first the best of each, then more where that does not hold it."""
        woken: list[list[int]] = [[int(self.index.owners[n.sentence]) for n in fits[:1]] for fits in near]
        self.recite({memory for memories in woken for memory in memories})
        for line, fits, memories in zip(lines, near, woken, strict=True):
            if any(line.items.line in self.reading(memory).line for memory in memories):
                continue
            for n in fits:
                memory = int(self.index.owners[n.sentence])
                if n.score >= LIKELY and memory not in memories and len(memories) < WAKE:
                    memories.append(memory)
        self.recite({memory for memories in woken for memory in memories})
        return woken

    def recite(self, memories: set[int]) -> None:
        """Recite those that were not yet, the longest together."""
        todo = sorted(memories - self.recited.keys())
        for first in range(0, len(todo), RECITED):
            chosen = todo[first : first + RECITED]
            stored = self.index.wake(chosen)
            rows = recite(self.models.memorizer, stored.weights, stored.scales, [sum(sizes) for sizes in stored.sentences])
            for memory, row, sizes, page, digest in zip(chosen, rows, stored.sentences, stored.pages, stored.checksums, strict=True):
                texts, spans, at = sentence_texts(self.models.tokenizer, row, sizes), [], 0
                for text in texts:
                    spans.append((at, at + len(text)))
                    at += len(text)
                self.recited[memory] = Recited(items_of("".join(texts)), tuple(spans), page, checksum(row) == digest)

    def reading(self, memory: int) -> Items:
        """A memory's words."""
        return self.recited[memory].items

    def judge(self, line: Line, fits: Sequence[Near], memories: Sequence[int], before: int | None) -> tuple[SurprisingSentence, int | None]:
        """What there is to tell of a sentence, and the memory that it is known from; ``before`` is that of the sentence before it."""
        going_on = () if before is None else (before, before + 1)
        nearby = [m for m in going_on if m in self.recited and m not in memories]
        laid = [(memory, align(line.items, self.reading(memory))) for memory in (*memories, *nearby)]
        best = max(laid, key=lambda pair: (worth(line, pair[1]), pair[0] in going_on), default=None)
        whole = best is not None and best[1].whole
        known = set(best[1].known) if best else set()
        for memory, _ in laid:
            if best and not whole and memory != best[0]:
                known |= align(line.items, self.reading(memory), FAR).known
        fresh = [i for i in range(len(line.nats)) if i not in known]
        wording = 0.0 if whole else wording_of(line, fresh, best[1] if best else None)
        alike = max(fits, key=lambda n: n.cosine, default=None)
        likeness = alike.cosine if alike else 0.0
        meaning = min(1.0, max(0.0, (likeness - ALIKE) / (1 - ALIKE)))
        kind = kind_of(wording, likeness, whole)
        owner, source = self.source_of(kind, best, fits)
        partly = best is not None and kind == "partly"
        sentence = SurprisingSentence(
            text=line.items.text,
            page=line.page,
            kind=kind,
            surprise=wording * (1 - wording * meaning),
            wording=wording,
            likeness=likeness,
            nearest=alike and alike.sentence,
            new=spans_of(line.items, fresh) if partly else (),
            missing=missing_of(best[1], line.items, self.reading(best[0])) if best and partly else (),
            known=source,
        )
        return sentence, owner

    def source_of(self, kind: str, best: tuple[int, Alignment] | None, fits: Sequence[Near]) -> tuple[int | None, Known | None]:
        """Where a sentence is known from: the row of words that it shares, or what it is like."""
        if kind == "new" or not fits:
            return None, None
        if kind != "reworded" and best is not None:
            memory = best[0]
            recited = self.recited[memory]
            first, last = best[1].place
            start, end = recited.items.spans[first][0], recited.items.spans[last - 1][1]
        else:
            alike = max(fits, key=lambda n: n.cosine)
            memory = int(self.index.owners[alike.sentence])
            self.recite({memory})
            recited = self.recited[memory]
            start, end = recited.sentences[alike.sentence - int(self.index.owners.searchsorted(memory))]
        document = self.index.documents[self.index.document_of(memory)].name
        return memory, Known(document, recited.page, recited.items.text[start:end].strip(), recited.verbatim)


def line_of(tokenizer: tiktoken.Encoding, sentence: Sequence[int], page: int | None, nats: Sequence[float]) -> Line:
    """A sentence with the nats of its tokens shared out to its words: a token belongs to the one that holds its last letter."""
    text, starts = tokenizer.decode_with_offsets(list(sentence))
    items = items_of(text)
    firsts, shares = [start for start, _ in items.spans], [FEWEST] * len(items.spans)
    for end, cost in zip([*starts[1:], len(text)], nats, strict=True):
        if shares:
            shares[max(0, bisect_right(firsts, max(0, end - 1)) - 1)] += cost
    return Line(items, page, tuple(shares))


def worth(line: Line, laid: Alignment) -> float:
    """Nats of a sentence that a recitation explains."""
    return sum(line.nats[i] for i in laid.known) + laid.whole - 0.1 * len(laid.missing)


def kind_of(wording: float, likeness: float, whole: bool) -> str:
    if whole:
        return "verbatim"
    if wording <= PARTLY:
        return "partly"
    return "reworded" if likeness >= SAID else "new"


def wording_of(line: Line, fresh: Sequence[int], laid: Alignment | None) -> float:
    """The share of a sentence's nats that is left; a word that it has not and the recitation has counts like one of its own.

    Words of the recitation in whose place there are new ones do not count: those count already.
    """
    total = sum(line.nats)
    if not total:  # no word and no sign
        return 0.0
    lost = sum(last - first for at, first, last in laid.missing if at in laid.known) if laid else 0
    left = lost * total / len(line.nats)
    return min(1.0, (sum(line.nats[i] for i in fresh) + left) / (total + left))


def missing_of(laid: Alignment, items: Items, recited: Items) -> tuple[Missing, ...]:
    return tuple(
        Missing(items.spans[at - 1][1], recited.text[recited.spans[first][0] : recited.spans[last - 1][1]])
        for at, first, last in laid.missing
    )


def spans_of(items: Items, chosen: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Characters of the items ``chosen``, those that follow each other in one."""
    spans: list[tuple[int, int]] = []
    for i in chosen:
        start, end = items.spans[i]
        if spans and i and spans[-1][1] == items.spans[i - 1][1]:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))
    return tuple(spans)
