"""Finds the topics of a memory from its sentence vectors, each with a recited sentence, words and documents."""

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from model import Clusters, cluster
from model.recall.word_filter import content_words
from titans_cli.models import Models
from titans_cli.services.recitation import recite_many
from titans_cli.services.threads import parallel
from titans_cli.services.vectors import vectors_of
from titans_cli.session import Session
from titans_cli.store import MemoryIndex

__all__ = ["Central", "Overview", "Topic", "overview"]

FEWEST, MOST = 3, 12
"""Bounds of the default number of topics."""
CENTRAL = 12
"""Sentences nearest to a topic's centre from which its example is chosen."""
SAMPLE = 24
"""Memories of a topic that are recited for its words, spread over the nearer half of its sentences."""
WORDS = 6
DOCUMENTS = 3
SHORTEST, LONGEST = 40, 260
"""Bounds of the characters of a topic's example sentence."""
SENTENCE = re.compile(r"[\"'“‘(]?[A-ZÀ-ÖØ-ÞΑ-ΩА-Я0-9\u0590-\uffff].*[.!?…。！？][\"'”’)]*", re.DOTALL)
LEADERS = re.compile(r"\.\s?\.\s?\.|…|[|_=*#~^\\]|(?:\d[\d.,]*\s+){3}")
"""Dots of a table of contents, drawings, columns of numbers."""

LETTERS = 0.88
"""Share of letters and spaces in a sentence of words."""
LEANING = re.compile(
    r"\W*(?:it|its|this|that|these|those|they|their|he|his|she|her|we|you|your|i|and|but|or|so|then|there|here|however|if|also|such|as|for)\b",
    re.IGNORECASE,
)
"""First words of a sentence that refers to the one before it."""


@dataclass(frozen=True)
class Central:
    """A recited sentence near the centre of a topic."""

    text: str
    document: str
    page: int | None


@dataclass(frozen=True)
class Topic:
    """Sentences in memory about the same subject."""

    share: float  # of all sentences that say something
    sentences: int
    words: tuple[str, ...]  # that tell it from the others, the most telling first
    sentence: Central | None
    documents: tuple[tuple[str, float], ...]  # where it mostly is, with the share of its sentences


@dataclass(frozen=True)
class Overview:
    documents: int
    sentences: int
    memories: int
    topics: tuple[Topic, ...]  # the largest first


@dataclass(frozen=True)
class Said:
    """A sentence of a recited memory."""

    text: str
    page: int | None


def overview(session: Session, count: int | None = None) -> Overview:
    """At most ``count`` topics of the memory; by default, the number depends on its size. Raises TitansError."""
    return session.read(lambda assistant: topics_of(assistant.models, assistant.retriever.index, count))


def topics_of(models: Models, index: MemoryIndex, count: int | None) -> Overview:
    sentences = len(index.vectors)
    if not sentences:
        return Overview(len(index.documents), 0, 0, ())
    clusters = cluster(vectors_of(index), count or suggested(sentences))
    return Overview(len(index.documents), sentences, index.memories, Describer(models, index, clusters).describe())


def suggested(sentences: int) -> int:
    """The default number of topics: one more for each doubling of the number of sentences."""
    return max(FEWEST, min(MOST, round(math.log2(sentences)) - 3))


class Describer:
    """Finds words for topics; recites each memory once."""

    def __init__(self, models: Models, index: MemoryIndex, clusters: Clusters):
        self.models, self.index, self.clusters = models, index, clusters
        self.said: dict[int, Said] = {}  # by the sentence's number

    def describe(self) -> tuple[Topic, ...]:
        members = [np.flatnonzero(self.clusters.labels == topic) for topic in range(len(self.clusters.sizes))]
        nearest = [which[np.argsort(-self.clusters.similarity[which], kind="stable")] for which in members]
        central = [self.distinct(which[: 4 * CENTRAL])[:CENTRAL] for which in nearest]
        spread = [which[np.unique(np.linspace(0, len(which) // 2, SAMPLE).astype(int).clip(max=len(which) - 1))] for which in nearest]
        wanted = np.concatenate([np.array([*which, *sample], np.int64) for which, sample in zip(central, spread, strict=True)])
        self.recite(np.unique(self.index.owners[wanted]).tolist())
        words = self.telling_words()
        total = int(self.clusters.sizes.sum())
        taken: set[str] = set()
        return tuple(
            Topic(
                share=len(which) / total,
                sentences=len(which),
                words=words[topic],
                sentence=self.choose(topic, set(words[topic]), taken),
                documents=self.documents_of(which),
            )
            for topic, which in enumerate(members)
        )

    def distinct(self, sentences: np.ndarray) -> list[int]:
        """The topics whose words differ from those of the topics before."""
        return list({self.index.words[sentence].tobytes(): sentence for sentence in sentences[::-1].tolist()}.values())[::-1]

    def recite(self, memories: list[int]) -> None:
        with parallel(self.models.device) as threads:
            for recited in recite_many(self.models, self.index, memories, threads):
                begin = int(np.searchsorted(self.index.owners, recited.memory))
                for number, (start, end) in enumerate(recited.sentences, begin):
                    self.said[number] = Said(recited.text[start:end].strip(), recited.page)

    def choose(self, topic: int, words: set[str], taken: set[str]) -> Central | None:
        """The recited sentence nearest to a topic's centre that is full, contains a characteristic word and was not ``taken``."""

        def order(number: int) -> tuple[int, bool, float]:
            text = self.said[number].text
            return -fullness(text), words.isdisjoint(re.findall(r"\w+", text)), -float(self.clusters.similarity[number])

        for number in sorted((n for n in self.said if self.clusters.labels[n] == topic), key=order):
            said = self.said[number]
            key = " ".join(content_words(said.text))
            if key and key not in taken:
                taken.add(key)
                document = self.index.document_of(int(self.index.owners[number]))
                return Central(" ".join(said.text.split()), self.index.documents[document].name, said.page)
        return None

    def telling_words(self) -> list[tuple[str, ...]]:
        """Characteristic words of a topic: more frequent in its recited sentences than in others. Class-based tf-idf (Grootendorst
        2022).
        """
        counts: list[Counter[str]] = [Counter() for _ in self.clusters.sizes]
        shapes: dict[str, Counter[str]] = defaultdict(Counter)
        for number, said in self.said.items():
            topic = int(self.clusters.labels[number])
            if topic < 0:
                continue
            counts[topic].update(word for word in content_words(said.text) if len(word) > 2 and word.isalpha())
            for written in re.findall(r"[^\W\d_]{3,}", said.text):
                for stemmed in content_words(written):
                    shapes[stemmed][written] += 1
        everywhere = sum(counts, Counter())
        average = sum(everywhere.values()) / max(1, len(counts))
        told = []
        for own in counts:
            size = max(1, sum(own.values()))
            weights = {w: n / size * math.log(1 + average / everywhere[w]) * (n > 1 or size < 40) for w, n in own.items()}
            best = sorted(weights, key=lambda w: (-weights[w], w))[:WORDS]
            told.append(tuple(shapes[w].most_common(1)[0][0] if shapes[w] else w for w in best if weights[w] > 0))
        return told

    def documents_of(self, sentences: np.ndarray) -> tuple[tuple[str, float], ...]:
        """The documents that contain most of these sentences, by name."""
        owners = np.searchsorted(self.index.starts, self.index.owners[sentences], side="right") - 1
        held = Counter(owners.tolist()).most_common(DOCUMENTS)
        return tuple((self.index.documents[document].name, number / len(sentences)) for document, number in held)


def fullness(text: str) -> int:
    """How well a sentence stands on its own, from 3 to 0.

    3: a full sentence of reasonable length; 2: one that refers to what came before; 1: one that is too long or short; 0: headings, tables,
    lists, code.
    """
    if not SENTENCE.fullmatch(text) or LEADERS.search(text) or "\n\n" in text:
        return 0
    if sum(c.isalpha() or c.isspace() for c in text) < LETTERS * len(text):
        return 0
    if not SHORTEST <= len(text) <= LONGEST:
        return 1
    return 2 if LEANING.match(text) else 3
