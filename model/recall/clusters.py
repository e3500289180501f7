"""Clusters of the sentences in memory (spherical k-means, Dhillon and Modha 2001), found on a sample, then all are assigned."""

# n sentence of the sample · s sentence in memory · k cluster · g feature of a sentence vector

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.recall.search import SLAB
from model.recall.vectors import SentenceVectors
from model.recall.word_filter import BITS

__all__ = ["Clusters", "cluster"]

SAMPLE = 20_000
"""Size of the sample of sentences that is clustered."""
ROUNDS = 30
BEGINNINGS = 4
WORDY = 5 * BITS
"""Bits in the filter of a sentence that says something: about five words with a meaning of their own. Headings have less."""
SEED = 2501
COMMON = 0.5
"""Share of the mean of all vectors that is subtracted from each: what all have in common does not separate clusters."""


@dataclass(frozen=True)
class Clusters:
    """Clusters of the sentences with enough words, the largest first."""

    labels: np.ndarray  # int16 [s], −1 for sentences that say too little
    similarity: np.ndarray  # float32 [s], cosine with the cluster's centre
    sizes: np.ndarray  # int64 [k]


def cluster(sentences: SentenceVectors, count: int) -> Clusters:
    """At most ``count`` clusters; deterministic."""
    wordy = wordy_sentences(sentences.words)
    if not len(wordy):
        wordy = np.arange(len(sentences))
    chosen = wordy
    if len(wordy) > SAMPLE:
        chosen = np.sort(np.random.default_rng(SEED).choice(wordy, SAMPLE, replace=False))
    sample = unit(sentences.vectors[chosen])
    common = COMMON * sample.mean(0)
    centres = centres_of(F.normalize(sample - common, dim=1), count)
    labels, similarity = np.full(len(sentences), -1, np.int16), np.zeros(len(sentences), np.float32)
    for first in range(0, len(wordy), SLAB):
        part = wordy[first : first + SLAB]
        best = (F.normalize(unit(sentences.vectors[part]) - common, dim=1) @ centres.mT).max(1)
        labels[part], similarity[part] = best.indices.numpy(), best.values.numpy()
    sizes = np.bincount(labels[labels >= 0], minlength=len(centres))
    order = np.argsort(-sizes, kind="stable")
    place = np.empty(len(order) + 1, np.int16)
    place[order], place[-1] = np.arange(len(order)), -1  # label −1 stays
    return Clusters(place[labels], similarity, sizes[order])


def unit(vectors: np.ndarray) -> Tensor:
    """The vectors scaled to unit length: float32 [n, g]."""
    return F.normalize(torch.from_numpy(np.array(vectors)).float(), dim=1)


def wordy_sentences(words: np.ndarray) -> np.ndarray:
    """Numbers of the sentences whose filters [s, l] hold enough words."""
    bits = np.zeros(len(words), np.int64)
    for lane in range(words.shape[1]):
        bits += np.unpackbits(np.ascontiguousarray(words[:, lane]).view(np.uint8)).reshape(len(words), -1).sum(1, dtype=np.int64)
    return np.flatnonzero(bits >= WORDY)


def centres_of(sample: Tensor, count: int) -> Tensor:
    """Unit centres [k, g] of the unit vectors ``sample`` [n, g], k ≤ ``count``: the best of several starts."""
    draw = torch.Generator().manual_seed(SEED)
    found = [settle(sample, spread(sample, count, draw)) for _ in range(BEGINNINGS)]
    return max(found, key=lambda centres: float((sample @ centres.mT).amax(1).sum()))


def spread(sample: Tensor, count: int, draw: torch.Generator) -> Tensor:
    """Some of the sample, far from each other (k-means++, Arthur and Vassilvitskii 2007)."""
    centres = sample[torch.randint(len(sample), (1,), generator=draw)]
    while len(centres) < count:
        apart = (1 - (sample @ centres.mT).amax(1)).clamp_min(0)
        if not apart.sum() > 1e-4 * len(sample):  # there are no other ones
            break
        centres = torch.cat([centres, sample[torch.multinomial(apart, 1, generator=draw)]])
    return centres


def settle(sample: Tensor, centres: Tensor) -> Tensor:
    """The centres once no assignment changes any more; centres that lose all of the sample are dropped."""
    labels = None
    for _ in range(ROUNDS):
        now = (sample @ centres.mT).argmax(1)
        if labels is not None and bool((now == labels).all()):
            break
        sums = torch.zeros_like(centres).index_add_(0, now, sample)
        kept = torch.bincount(now, minlength=len(centres)) > 0
        centres, labels = F.normalize(sums[kept], dim=1), now if kept.all() else None
    return centres
