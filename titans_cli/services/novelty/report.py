"""Reports what in a document is new to the memory: retrieve, recite, align, score. Memorizes nothing."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ingest import Document, Extractor, Options, Segment, SourceError, find_sources
from model import Neighbor, SentenceVectors, encode_sentences, nearest_sentences, token_nats
from titans_cli.errors import TitansError, UsageError
from titans_cli.models import Models
from titans_cli.services.ask.answer import Assistant
from titans_cli.services.ingest.encode import segment_groups
from titans_cli.services.ingest.request import Progress
from titans_cli.services.novelty.align import Items, align, items_of, runs_over
from titans_cli.services.novelty.score import (
    Aligned,
    DocumentSentence,
    Known,
    SurprisingSentence,
    best_of,
    document_sentence,
    score_sentence,
)
from titans_cli.services.recitation import Recited, recite_many
from titans_cli.services.threads import in_order, parallel
from titans_cli.services.vectors import vectors_of
from titans_cli.session import Session
from titans_cli.settings import pdf_passwords
from titans_cli.store import MemoryIndex

__all__ = ["NoveltyReader", "Surprise", "read_one", "surprise"]

RETRIEVED = 3
"""Most memories that are retrieved for a sentence."""
LIKELY = 0.62
"""Score that the others than the best need: what is less like a sentence holds no row of its words."""
BESIDE = 2
"""Memories on either side that are searched for the rest of a sentence."""


@dataclass(frozen=True)
class Surprise:
    """A document compared with the memory."""

    document: str
    sentences: tuple[SurprisingSentence, ...]
    known_from: tuple[tuple[str, int], ...]  # documents in memory and the sentences that are known from them, most first
    recited: int  # memories
    empty_pages: tuple[int, ...]
    failed_pages: tuple[tuple[int, str], ...]
    elapsed_ms: int

    @property
    def mean(self) -> float:
        """Mean surprise of the sentences, weighted by length."""
        return sum(s.surprise * len(s.text) for s in self.sentences) / max(1, sum(len(s.text) for s in self.sentences))

    def count(self, kind: str) -> int:
        return sum(sentence.kind == kind for sentence in self.sentences)


def read_one(path: Path, progress: Progress, models: Models, encoding: str | None = None) -> Document:
    """The text of one file or of standard input ("-"), extracted in a process of its own. Raises TitansError."""
    sources, problems = find_sources([path])
    if problems:
        raise TitansError(str(problems[0]))
    if len(sources) != 1 or path.is_dir():
        raise UsageError(f"{path} is a folder. Name one file in it: titans surprise FILE")
    with Extractor(Options(encoding, None, pdf_passwords())) as extractor:
        extractor.start()
        models.load()
        (outcome,) = extractor.documents(sources)
    if isinstance(outcome, SourceError):
        raise TitansError(str(outcome))
    progress.begin(1, outcome.size)
    progress.file(outcome.source.name, outcome.pages[-1].number, outcome.size)
    return outcome


def surprise(session: Session, path: Path, progress: Progress, encoding: str | None = None) -> Surprise:
    """Compare the file at ``path`` with the memory, which does not change. Raises TitansError."""
    session.assistant()  # a store that cannot be used is told before the file is read
    begun = time.monotonic()
    document = read_one(path, progress, session.models, encoding)

    def work(assistant: Assistant) -> Surprise:
        return NoveltyReader(assistant.models, assistant.retriever.index).report(document, progress, begun)

    result = session.read(work)
    progress.done(document.size)
    return result


class NoveltyReader:
    """Compares documents with a memory; recites each memory once, also for several documents."""

    def __init__(self, models: Models, index: MemoryIndex):
        self.models, self.index = models, index
        self.recited: dict[int, Recited] = {}
        self.items: dict[int, Items] = {}  # the words of each

    def report(self, document: Document, progress: Progress, begun: float) -> Surprise:
        """The surprise of ``document``; ``begun`` (monotonic seconds) is when reading it started."""
        with parallel(self.models.device) as threads:
            lines, vectors = self.encode(document, progress, threads)
            near = nearest_sentences(vectors, [line.items.text for line in lines], vectors_of(self.index))
            retrieved = self.retrieve(lines, near, threads)
        sentences, before = [], None
        owners: Counter[str] = Counter()
        for line, fits, memories in zip(lines, near, retrieved, strict=True):
            sentence, before = self.score(line, fits, memories, before)
            sentences.append(sentence)
            if sentence.known is not None:
                owners[sentence.known.document] += 1
        return Surprise(
            document=document.source.name,
            sentences=tuple(sentences),
            known_from=tuple(owners.most_common()),
            recited=len({memory for memories in retrieved for memory in memories}),
            empty_pages=document.empty_pages,
            failed_pages=document.failed_pages,
            elapsed_ms=int((time.monotonic() - begun) * 1000),
        )

    def encode(self, document: Document, progress: Progress, threads: int) -> tuple[list[DocumentSentence], SentenceVectors]:
        """The document's sentences and their vectors, computed as when it is memorized."""
        lines, vectors = [], []
        characters, read = sum(len(page.text) for page in document.pages), 0
        for made, vector, tokens in in_order(self.encode_group, segment_groups(self.models, document), threads):
            lines += made
            vectors.append(vector)
            read += sum(len(line.items.text) for line in made)
            progress.page(made[-1].page, tokens, read / characters)
        return lines, SentenceVectors.join(vectors)

    def encode_group(self, group: Sequence[Segment]) -> tuple[list[DocumentSentence], SentenceVectors, int]:
        """Sentences of consecutive segments, their vectors, and their number of tokens."""
        nats = token_nats(self.models.memorizer, [[t for sentence in s.sentences for t in sentence] for s in group])
        lines = []
        for segment, costs in zip(group, nats, strict=True):
            cost = iter(costs)
            for sentence in segment.sentences:
                lines.append(document_sentence(self.models.tokenizer, sentence, segment.page, list(islice(cost, len(sentence)))))
        vectors = encode_sentences(self.models.encoder, [line.items.text for line in lines], [line.page or 0 for line in lines])
        return lines, vectors, sum(map(len, nats))

    def retrieve(self, lines: Sequence[DocumentSentence], near: Sequence[Sequence[Neighbor]], threads: int) -> list[list[int]]:
        """The recited memories to align with each sentence: the best one, and more if that does not contain the sentence."""
        retrieved: list[list[int]] = [[int(self.index.owners[n.sentence]) for n in fits[:1]] for fits in near]
        self.recite({memory for memories in retrieved for memory in memories}, threads)
        for line, fits, memories in zip(lines, near, retrieved, strict=True):
            further = [] if self.hold(memories, line) else [int(self.index.owners[n.sentence]) for n in fits if n.score >= LIKELY]
            memories += [m for m in dict.fromkeys(further) if m not in memories][: RETRIEVED - 1]
        self.recite({memory for memories in retrieved for memory in memories}, threads)
        for line, memories in zip(lines, retrieved, strict=True):
            further = [] if self.hold(memories, line) else [m for memory in memories for m in self.parts(line.items, memory)]
            memories += [m for m in dict.fromkeys(further) if m not in memories]
        self.recite({memory for memories in retrieved for memory in memories}, threads)
        return retrieved

    def hold(self, memories: Sequence[int], line: DocumentSentence) -> bool:
        """Whether one of the memories contains a sentence word for word."""
        return any(line.items.line in self.items[memory].line for memory in memories)

    def parts(self, sentence: Items, memory: int) -> list[int]:
        """Memories that may contain the rest of a sentence that begins or ends in ``memory``."""
        document, items = self.index.document_of(memory), self.items[memory]
        first = memory - BESIDE if runs_over(items, sentence) else memory
        last = memory + BESIDE if runs_over(sentence, items) else memory
        start, stop = int(self.index.starts[document]), int(self.index.starts[document + 1])
        return list(range(max(start, first), min(stop, last + 1)))

    def align(self, line: DocumentSentence, memories: Sequence[int]) -> list[Aligned]:
        """Align a sentence with each memory and, if none contains it, with joined consecutive memories."""
        alone = [Aligned(m, items, align(line.items, items)) for m in memories for items in [self.items[m]]]
        if any(aligned.alignment.whole for aligned in alone):
            return alone
        runs: list[list[int]] = []
        for memory in sorted(memories):
            if runs and memory == runs[-1][-1] + 1 and self.index.document_of(memory) == self.index.document_of(runs[-1][0]):
                runs[-1].append(memory)
            else:
                runs.append([memory])
        joined = [(run[0], items_of(self.text_of(run))) for run in runs if len(run) > 1]
        return alone + [Aligned(first, items, align(line.items, items)) for first, items in joined]

    def text_of(self, run: Sequence[int]) -> str:
        """The text of consecutive memories, also if a character begins in one and ends in the next."""
        return self.models.tokenizer.decode([token for memory in run for token in self.recited[memory].tokens])

    def recite(self, memories: set[int], threads: int = 1) -> None:
        """Recite the memories that were not recited before."""
        for recited in recite_many(self.models, self.index, memories - self.recited.keys(), threads):
            self.recited[recited.memory] = recited
            self.items[recited.memory] = items_of(recited.text)

    def score(
        self, line: DocumentSentence, fits: Sequence[Neighbor], memories: Sequence[int], before: int | None
    ) -> tuple[SurprisingSentence, int | None]:
        """The scored sentence, and the memory from which it is known; ``before`` is the memory of the sentence before it."""
        expected = () if before is None else (before, before + 1)
        aligned = self.align(line, [*memories, *(m for m in expected if m in self.recited and m not in memories)])
        best, alike = best_of(line, aligned, expected), max(fits, key=lambda n: n.cosine, default=None)
        sentence = score_sentence(line, aligned, best, alike)
        if sentence.kind == "new" or alike is None:
            return sentence, None
        if sentence.kind == "reworded" or best is None:
            memory = int(self.index.owners[alike.sentence])
            self.recite({memory})
            start, end = self.recited[memory].sentences[alike.sentence - int(self.index.owners.searchsorted(memory))]
            text = self.recited[memory].text[start:end]
        else:
            memory, items, place = best.first, best.items, best.alignment.place
            start, end = items.spans[place[0]][0], items.spans[place[1] - 1][1]
            text = items.text[start:end]
            while start >= (length := len(self.recited[memory].text)):  # it begins in a later one of several
                start, memory = start - length, memory + 1
        recited, document = self.recited[memory], self.index.documents[self.index.document_of(memory)].name
        return replace(sentence, known=Known(document, recited.page, text.strip(), recited.verbatim)), memory
