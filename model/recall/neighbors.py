"""What a text holds that memories do not: which memories each of its sentences wakes, and how little the short-term core expected it.

Surprise in Titans is what is left when memory has said all it knows, ‖M(k) − v‖² (eq. 12). Here it is told for text that is not
written: the memories that could know a sentence are woken and recited, and what they do not explain is left. ``token_nats`` says how much
that is, in the short-term core's own nats, so that a word that anyone would expect surprises little.
"""

# q sentence of the text · s sentence in memory · g feature of a gist · l lane of a filter

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.memorizer.network import Memorizer
from model.recall.search import LEXICAL, Gists
from model.recall.word_filter import contains, content_words

__all__ = ["Near", "nearest", "token_nats"]

SLAB = 8_192
"""Gists in memory compared at once."""
QUERIES = 1_024
"""Sentences of the text compared at once: with ``SLAB`` 32 MB of cosines."""
NEAREST = 12
"""Sentences looked at for what they mean, and as many for their rarest words."""
HOLDERS = 48
"""Sentences in memory that may hold a word that is looked up; what more hold tells little."""
COPIES = 4
"""Sentences in memory looked at that hold the very same words."""
BATCH = 16
"""Segments read at once."""
ODD = np.array([2 * n + 1 for n in (0x1F3D5B79, 0x4C8E2A61, 0x6B97D3F5, 0x35A1C7E9, 0x7F2B4D11, 0x58E6A93D, 0x2D94F1B7)], np.uint64)


class Near(NamedTuple):
    """A sentence in memory that a sentence of the text wakes."""

    sentence: int
    cosine: float  # of their gists' vectors
    held: float  # share of the text's content words that it holds, rare ones counting more; 0 when there are none

    @property
    def score(self) -> float:
        return self.cosine + LEXICAL * self.held


def nearest(own: Gists, texts: Sequence[str], gists: Gists) -> list[list[Near]]:
    """The sentences in memory that fit each of the ``texts`` [q], whose gists are ``own``, best first.

    Candidates are those of the nearest vectors, those that hold rare words, and those with the very same words. Time goes with
    q · s, memory does not.
    """
    if not len(gists) or not texts:
        return [[] for _ in texts]
    vectors = torch.from_numpy(own.vectors).float() * torch.from_numpy(own.scales.astype(np.float32))[:, None]
    asked = [content_words(text) for text in texts]
    held, rarity = look_up({word for one in asked for word in one}, gists)
    candidates = [set(row) for row in by_meaning(vectors, gists)]
    for row, same in enumerate(same_words(own, gists)):
        candidates[row].update(same)
    for row, one in enumerate(asked):
        sums: dict[int, float] = defaultdict(float)
        for word in one:
            for sentence in held.get(word, ()):
                sums[sentence] += rarity[word]
        candidates[row].update(sorted(sums, key=lambda s: (-sums[s], s))[:NEAREST])
    return [
        rank(vector, one, sorted(chosen), rarity, gists) for vector, one, chosen in zip(vectors.numpy(), asked, candidates, strict=True)
    ]


def look_up(asked: set[str], gists: Gists) -> tuple[dict[str, list[int]], dict[str, float]]:
    """The sentences that hold each word, where they are few, and how rare each word is."""
    held, rarity = {}, {}
    for word in asked:
        found = np.flatnonzero(contains(gists.words, word))
        rarity[word] = math.log((len(gists) + 1) / (len(found) + 0.5))
        if len(found) <= HOLDERS:
            held[word] = found.tolist()
    return held, rarity


def by_meaning(vectors: Tensor, gists: Gists) -> list[list[int]]:
    """The sentences whose vectors are nearest to each of ``vectors`` [q, g]."""
    chosen: list[list[int]] = []
    for part in vectors.split(QUERIES):
        best, where = torch.full((len(part), 0), 0.0), torch.zeros(len(part), 0, dtype=torch.long)
        for first in range(0, len(gists), SLAB):
            stop = first + SLAB
            slab = torch.from_numpy(np.array(gists.vectors[first:stop])).float()
            slab *= torch.from_numpy(np.asarray(gists.scales[first:stop], np.float32))[:, None]
            top = (part @ slab.mT).topk(min(NEAREST, len(slab)), dim=1)
            best, where = torch.cat([best, top.values], 1), torch.cat([where, top.indices + first], 1)
            top = best.topk(min(NEAREST, best.shape[1]), dim=1)
            best, where = top.values, where.gather(1, top.indices)
        chosen += where.tolist()
    return chosen


def same_words(own: Gists, gists: Gists) -> list[list[int]]:
    """The first sentences with the very same filter of words, for each of ``own``; none where there is no word to tell."""
    keys, wanted = keys_of(gists.words), keys_of(own.words)
    found = np.flatnonzero(np.isin(keys, wanted[wanted != 0]))
    by_key: dict[int, list[int]] = defaultdict(list)
    for sentence, key in zip(found.tolist(), keys[found].tolist(), strict=True):
        if len(by_key[key]) < COPIES:
            by_key[key].append(sentence)
    return [by_key.get(key, []) for key in wanted.tolist()]


def keys_of(words: np.ndarray) -> np.ndarray:
    """One number for each filter [s, l], the same for the same words: uint64 [s], 0 for no word."""
    keys = np.zeros(len(words), np.uint64)
    for lane in range(words.shape[1]):
        keys = keys * ODD[-1] + words[:, lane] * ODD[lane % len(ODD)]
    return keys


def rank(vector: np.ndarray, asked: Sequence[str], chosen: Sequence[int], rarity: dict[str, float], gists: Gists) -> list[Near]:
    """The sentences ``chosen``, best first."""
    cosines = np.array(gists.vectors[chosen], np.float32) @ vector * np.asarray(gists.scales[chosen], np.float32)
    filters, held = np.array(gists.words[chosen]), np.zeros(len(chosen))
    most = sum(rarity[word] for word in asked)
    for word in asked:
        held += contains(filters, word) * rarity[word]
    shares = held / most if most > 0 else held
    near = [Near(s, float(c), float(h)) for s, c, h in zip(chosen, cosines, shares, strict=True)]
    return sorted(near, key=lambda n: (-n.score, n.sentence))


@torch.inference_mode()
def token_nats(memorizer: Memorizer, segments: Sequence[Sequence[int]]) -> list[list[float]]:
    """How little the short-term core expected each token of each of the ``segments``, from the tokens before it there: nats."""
    device = memorizer.place_of_token.device
    nats: list[list[float]] = []
    for first in range(0, len(segments), BATCH):
        batch = segments[first : first + BATCH]
        tokens = torch.zeros(len(batch), max(map(len, batch)), dtype=torch.long)
        for row, segment in zip(tokens, batch, strict=True):
            row[: len(segment)] = torch.tensor(segment)
        places = memorizer.place_of_token[tokens.to(device)]
        by_class = memorizer.by_class(places)
        states, _ = memorizer.context(places)
        expected = memorizer.expected(states, places, by_class)
        both = memorizer.surprise(places, *expected, by_class)[2].sum(-1).tolist()
        nats += [row[: len(segment)] for row, segment in zip(both, batch, strict=True)]
    return nats
