"""Which sentences in memory, and so which memories, fit a question (Memory Caching, arXiv 2602.24281: sparse selective reading).

A sentence's score is the cosine of its vector with the question's, and the share of the question's words that it holds, each
counting by its rarity among all sentences.
"""

# s sentence · g feature of a sentence vector · l lane of a filter · m memory · q query

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from model.recall.spelling import corrections, joined, split
from model.recall.surroundings import Surroundings
from model.recall.vectors import Question, SentenceVectors
from model.recall.word_filter import by_chance, contains, content_words

__all__ = ["Hit", "combined", "correct_spelling", "rarity", "retrieve", "score_sentences", "score_similar", "similarities"]

SLAB = 65_536
"""Sentences compared at once, so that memory stays flat."""
LEXICAL = 0.5
"""What it counts when a sentence holds all of a question's words; vectors count up to 1."""
MEANING_AROUND = 0.4
"""Share of the meaning that is taken from the vectors of a whole memory."""
WORDS_AROUND = 0.4
"""Share of a word that counts where it stands around a sentence, not in it."""
ALIKE = 0.65
"""Mean cosine of two sentences of one memory, measured over manuals, papers, novels and articles."""
SPELLED = 0.7
"""What another spelling of a word counts of it."""
CORRECTIONS = 3
"""Corrections of a typing error that are looked for, the rarest ones."""
CANDIDATES = 4_096
"""Best sentences looked at, duplicates among them."""
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
    """The score of sentences from the cosine of the vectors and the share of the words asked for that they hold."""
    return cosine + LEXICAL * held


def rarity(sentences: int, holders: int) -> float:
    """What a word counts that ``holders`` of so many sentences hold."""
    return math.log((sentences + 1) / (holders + 0.5))


def similarities(queries: Tensor, sentences: SentenceVectors) -> np.ndarray:
    """Largest cosine of each sentence with any of the queries [q, g]: float32 [s]."""
    best = np.empty(len(sentences), np.float32)
    for first in range(0, len(sentences), SLAB):
        part = slice(first, first + SLAB)
        slab = torch.from_numpy(np.array(sentences.vectors[part])).float()
        best[part] = (slab @ queries.mT).amax(1).numpy() * np.asarray(sentences.scales[part], np.float32)
    return best


def score_sentences(
    question: Question, sentences: SentenceVectors, surroundings: Surroundings | None = None, corrected: Question | None = None
) -> np.ndarray:
    """How well each sentence fits: cosine of the vectors, and the share of the question's words it holds, rare ones counting more.

    What stands around a sentence counts too, and less, where ``surroundings`` are given. ``corrected`` is the question without its
    typing errors: the nearer of the two counts. float32 [s].
    """
    queries = [question.vector] if corrected is None else [question.vector, corrected.vector]
    scores = similarities(torch.stack(queries), sentences)
    if surroundings is not None and len(sentences):
        scores = blend(scores, surroundings.over_memories(scores, ALIKE), MEANING_AROUND)
    found = np.zeros(len(sentences), np.float32)
    most = 0.0
    for number in range(len(question.words)):
        weight, held = word_score(question.words, number, sentences, surroundings)
        found += held
        most += weight
    return combined(scores, found / np.float32(most)) if most > 0 else scores


def blend(own: np.ndarray, around: np.ndarray, share: float) -> np.ndarray:
    """What a sentence has of its own, and for a ``share`` what stands around it."""
    return np.float32(1 - share) * own + np.float32(share) * around


def word_score(
    words: Sequence[str], number: int, sentences: SentenceVectors, surroundings: Surroundings | None
) -> tuple[float, np.ndarray]:
    """What the question's word counts, and what each sentence has of that, float32 [s]: all of it where it holds the word itself."""
    held = contains(sentences.words, words[number])
    weight = rarity(len(sentences), int(np.count_nonzero(held)))
    score = counted(held, [words[number]], weight, surroundings)
    for spelling in other_spellings(words, number, sentences):
        also = np.logical_and.reduce([contains(sentences.words, word) for word in spelling])
        holders = int(np.count_nonzero(also))
        if holders:
            np.maximum(score, counted(also, spelling, SPELLED * min(weight, rarity(len(sentences), holders)), surroundings), out=score)
    return weight, score


def counted(held: np.ndarray, words: Sequence[str], weight: float, surroundings: Surroundings | None) -> np.ndarray:
    """``weight`` where a sentence holds the ``words``, a part of it where they stand around it: float32 [s]."""
    own = held.astype(np.float32)
    if surroundings is not None and len(held):
        named = np.logical_and.reduce([surroundings.named(word) for word in words])
        own = blend(own, surroundings.around(held, named).astype(np.float32), WORDS_AROUND)
    return np.float32(weight) * own


def other_spellings(words: Sequence[str], number: int, sentences: SentenceVectors) -> list[tuple[str, ...]]:
    """Words that may stand in memory for a word of the question: joined, split, or without its typing error, the rarest first."""
    found: list[tuple[str, ...]] = [(word,) for word in joined(words, number)]
    return found + split(words[number]) + [(word,) for word in held_corrections(words[number], sentences)[:CORRECTIONS]]


def held_corrections(word: str, sentences: SentenceVectors) -> list[str]:
    """The corrections of a word that more sentences hold than would by chance, the rarest first."""
    held = [(int(np.count_nonzero(contains(sentences.words, one))), one) for one in corrections(word)]
    return [one for holders, one in sorted(held) if holders > by_chance(one, sentences.words)]


def correct_spelling(question: str, sentences: SentenceVectors) -> str:
    """The question with the known words of memory in place of those with a typing error, the most frequent where there are several."""
    for word in content_words(question):
        found = held_corrections(word, sentences)
        if found:
            question = re.sub(rf"\b{re.escape(word)}", found[-1], question, flags=re.IGNORECASE)
    return question


def score_similar(seeds: Sequence[int], sentences: SentenceVectors) -> np.ndarray:
    """How near each sentence is to the nearest of the sentences ``seeds``: cosines, float32 [s]."""
    vectors = torch.from_numpy(np.array(sentences.vectors[list(seeds)])).float()
    return similarities(torch.nn.functional.normalize(vectors, dim=1), sentences)


def retrieve(scores: np.ndarray, sentences: SentenceVectors, owners: np.ndarray, count: int, least: float = -math.inf) -> list[Hit]:
    """The best sentences, best first, of the ``count`` memories that they first come from, with ``least`` score.

    ``owners`` [s] is each sentence's memory, ascending. A copy is passed over: a sentence with the same words as a better one, and
    the same words before or behind it; and one of a long sentence that was retrieved ``REPEATED`` times.
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
    """The sentence's filter with the one before it, and with the one behind it."""
    own = words[sentence].tobytes()
    for place, side in ((sentence - 1, b"before"), (sentence + 1, b"behind")):
        if 0 <= place < len(words):
            yield side, own, words[place].tobytes()
