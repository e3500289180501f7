"""Finds the sentences in memory that are nearest to each sentence of a text: by meaning, by rare words and by the same words.

Surprise in Titans is what memory fails to predict, ‖M(k) − v‖² (eq. 12). For a text that is not written, the memories of the
nearest sentences are recited; what they do not contain is new.
"""

# q sentence of the text · s sentence in memory · g feature of a sentence vector · l lane of a filter

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.recall.search import combined, rarity
from model.recall.vectors import SentenceVectors
from model.recall.word_filter import contains, content_words

__all__ = ["Neighbor", "nearest_sentences"]

SLAB = 8_192
"""Sentences in memory that are compared in one step."""
QUERIES = 1_024
"""Sentences of the text compared at once: with ``SLAB`` 32 MB of cosines."""
NEAREST = 12
"""Candidates by meaning, and as many by rarest words."""
HOLDERS = 48
"""Words that more sentences hold are not looked up: they tell little."""
COPIES = 4
"""Candidates with the same words."""
ODD = np.array([2 * n + 1 for n in (0x1F3D5B79, 0x4C8E2A61, 0x6B97D3F5, 0x35A1C7E9, 0x7F2B4D11, 0x58E6A93D, 0x2D94F1B7)], np.uint64)


class Neighbor(NamedTuple):
    """A sentence in memory near to one of the text."""

    sentence: int
    cosine: float  # of their vectors
    held: float  # share of the text's content words that it holds, rare ones counting more; 0 when there are none

    @property
    def score(self) -> float:
        return combined(self.cosine, self.held)


def nearest_sentences(own: SentenceVectors, texts: Sequence[str], sentences: SentenceVectors) -> list[list[Neighbor]]:
    """The sentences in memory that fit each of the ``texts`` [q], whose vectors are ``own``, best first.

    Candidates are the sentences with the nearest vectors, those that hold rare words, and those with the same words. Time grows with q · s,
    memory does not.
    """
    if not len(sentences) or not texts:
        return [[] for _ in texts]
    vectors = torch.from_numpy(own.vectors).float() * torch.from_numpy(own.scales.astype(np.float32))[:, None]
    asked = [content_words(text) for text in texts]
    held, rarities = look_up({word for one in asked for word in one}, sentences)
    candidates = [set(row) for row in by_meaning(vectors, sentences)]
    for row, same in enumerate(same_words(own, sentences)):
        candidates[row].update(same)
    for row, one in enumerate(asked):
        sums: dict[int, float] = defaultdict(float)
        for word in one:
            for sentence in held.get(word, ()):
                sums[sentence] += rarities[word]
        candidates[row].update(sorted(sums, key=lambda s: (-sums[s], s))[:NEAREST])
    rows = zip(vectors.numpy(), asked, candidates, strict=True)
    return [rank(vector, one, sorted(chosen), rarities, sentences) for vector, one, chosen in rows]


def look_up(asked: set[str], sentences: SentenceVectors) -> tuple[dict[str, list[int]], dict[str, float]]:
    """For each word: the sentences that hold it, if they are few, and its rarity."""
    held, rarities = {}, {}
    for word in asked:
        found = np.flatnonzero(contains(sentences.words, word))
        rarities[word] = rarity(len(sentences), len(found))
        if len(found) <= HOLDERS:
            held[word] = found.tolist()
    return held, rarities


def by_meaning(vectors: Tensor, sentences: SentenceVectors) -> list[list[int]]:
    """The sentences whose vectors are nearest to each of ``vectors`` [q, g]."""
    chosen: list[list[int]] = []
    for part in vectors.split(QUERIES):
        best, where = torch.full((len(part), 0), 0.0), torch.zeros(len(part), 0, dtype=torch.long)
        for first in range(0, len(sentences), SLAB):
            stop = first + SLAB
            slab = torch.from_numpy(np.array(sentences.vectors[first:stop])).float()
            slab *= torch.from_numpy(np.asarray(sentences.scales[first:stop], np.float32))[:, None]
            top = (part @ slab.mT).topk(min(NEAREST, len(slab)), dim=1)
            best, where = torch.cat([best, top.values], 1), torch.cat([where, top.indices + first], 1)
            top = best.topk(min(NEAREST, best.shape[1]), dim=1)
            best, where = top.values, where.gather(1, top.indices)
        chosen += where.tolist()
    return chosen


def same_words(own: SentenceVectors, sentences: SentenceVectors) -> list[list[int]]:
    """For each of ``own``: the first sentences with the same word filter; none for filters without words."""
    keys, wanted = keys_of(sentences.words), keys_of(own.words)
    found = np.flatnonzero(np.isin(keys, wanted[wanted != 0]))
    by_key: dict[int, list[int]] = defaultdict(list)
    for sentence, key in zip(found.tolist(), keys[found].tolist(), strict=True):
        if len(by_key[key]) < COPIES:
            by_key[key].append(sentence)
    return [by_key.get(key, []) for key in wanted.tolist()]


def keys_of(words: np.ndarray) -> np.ndarray:
    """One number for each filter [s, l], equal for equal filters: uint64 [s], 0 for no word."""
    keys = np.zeros(len(words), np.uint64)
    for lane in range(words.shape[1]):
        keys = keys * ODD[-1] + words[:, lane] * ODD[lane % len(ODD)]
    return keys


def rank(
    vector: np.ndarray, asked: Sequence[str], chosen: Sequence[int], rarities: dict[str, float], sentences: SentenceVectors
) -> list[Neighbor]:
    """The sentences ``chosen``, best first."""
    cosines = np.array(sentences.vectors[chosen], np.float32) @ vector * np.asarray(sentences.scales[chosen], np.float32)
    filters, held = np.array(sentences.words[chosen]), np.zeros(len(chosen))
    most = sum(rarities[word] for word in asked)
    for word in asked:
        held += contains(filters, word) * rarities[word]
    shares = held / most if most > 0 else held
    near = [Neighbor(s, float(c), float(h)) for s, c, h in zip(chosen, cosines, shares, strict=True)]
    return sorted(near, key=lambda n: (-n.score, n.sentence))
