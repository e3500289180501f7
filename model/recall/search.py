"""Finds the sentences in memory that fit a question, and so its memories (Memory Caching, arXiv 2602.24281: sparse selective reading).

A sentence's score is the cosine of its vector with the question's, and the share of the question's words that it holds, each
counting by its rarity among all sentences.
"""

# s sentence · g feature of a sentence vector · l lane of a filter · m memory · q query

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from model.recall.vectors import Question, SentenceVectors
from model.recall.word_filter import contains

__all__ = ["Hit", "combined", "rarity", "retrieve", "score_sentences", "score_similar", "similarities"]

SLAB = 65_536
"""Sentences compared at once, so that memory stays flat."""
LEXICAL = 0.5
"""Weight of a sentence that holds all of a question's words; the weight of the vector is at most 1."""
CANDIDATES = 4_096
"""Best sentences that are considered, including duplicates."""
REPEATED = 2
"""Long sentences of the same words that are retrieved, whatever stands around them: licences and page furniture must not crowd answers."""
LONG = 36
"""Bits of a long sentence's filter; about eight words that tell something."""

Number = TypeVar("Number", float, np.ndarray)


@dataclass(frozen=True)
class Hit:
    """A sentence that fits a question."""

    sentence: int
    memory: int
    score: float


def combined(cosine: Number, held: Number) -> Number:
    """The score of sentences, from the cosine of the vectors and the share of the question's words that they hold."""
    return cosine + LEXICAL * held


def rarity(sentences: int, holders: int) -> float:
    """The weight of a word that ``holders`` of the sentences hold."""
    return math.log((sentences + 1) / (holders + 0.5))


def similarities(queries: Tensor, sentences: SentenceVectors) -> np.ndarray:
    """Largest cosine of each sentence with any of the queries [q, g]: float32 [s]."""
    best = np.empty(len(sentences), np.float32)
    for first in range(0, len(sentences), SLAB):
        part = slice(first, first + SLAB)
        slab = torch.from_numpy(np.array(sentences.vectors[part])).float()
        best[part] = (slab @ queries.mT).amax(1).numpy() * np.asarray(sentences.scales[part], np.float32)
    return best


def score_sentences(question: Question, sentences: SentenceVectors) -> np.ndarray:
    """The score of each sentence: cosine of the vectors, and the share of the question's words, rare ones weighing more. float32 [s]."""
    scores = similarities(question.vector[None], sentences)
    found = np.zeros(len(sentences), np.float32)
    most = 0.0
    for word in question.words:
        held = contains(sentences.words, word)
        weight = rarity(len(sentences), int(np.count_nonzero(held)))
        found[held] += weight
        most += weight
    return combined(scores, found / np.float32(most)) if most > 0 else scores


def score_similar(seeds: Sequence[int], sentences: SentenceVectors) -> np.ndarray:
    """The cosine of each sentence with the nearest of the sentences ``seeds``: float32 [s]."""
    vectors = torch.from_numpy(np.array(sentences.vectors[list(seeds)])).float()
    return similarities(torch.nn.functional.normalize(vectors, dim=1), sentences)


def retrieve(scores: np.ndarray, sentences: SentenceVectors, owners: np.ndarray, count: int, least: float = -math.inf) -> list[Hit]:
    """The best sentences, best first, of the first ``count`` memories, with at least ``least`` score.

    ``owners`` [s] is the memory of each sentence, ascending. Copies are skipped: a sentence with the same words as a better one and the
    same words before or after it, and a long sentence that was retrieved ``REPEATED`` times already.
    """
    candidates = np.arange(len(scores))
    if len(scores) > CANDIDATES:
        candidates = np.sort(np.argpartition(-scores, CANDIDATES)[:CANDIDATES])
    hits: list[Hit] = []
    memories: set[int] = set()
    seen: set[tuple[bytes, ...]] = set()
    repeated: Counter[bytes] = Counter()
    for sentence in candidates[np.argsort(-scores[candidates], kind="stable")].tolist():
        if scores[sentence] < least:
            break
        contexts = set(pairs(sentences.words, sentence))
        own = sentences.words[sentence].tobytes()
        if contexts & seen or (repeated[own] >= REPEATED and int.from_bytes(own).bit_count() >= LONG):
            continue
        memory = int(owners[sentence])
        if memory not in memories and len(memories) == count:
            continue
        seen |= contexts
        repeated[own] += 1
        memories.add(memory)
        hits.append(Hit(sentence, memory, float(scores[sentence])))
    return hits


def pairs(words: np.ndarray, sentence: int) -> Iterable[tuple[bytes, ...]]:
    """For each sentence, its filter combined with the one before it, and with the one after it."""
    own = words[sentence].tobytes()
    for place, side in ((sentence - 1, b"before"), (sentence + 1, b"behind")):
        if 0 <= place < len(words):
            yield side, own, words[place].tobytes()
