"""Gists of what is memorized and of questions, and which sentences a question wakes (Memory Caching, arXiv 2602.24281:
sparse selective reading).

A gist has two parts: what a sentence means, a vector, and which words it holds, a filter. A question's words count by their
rarity among all sentences.
"""

# s sentence · g feature of a gist · l lane of a filter · m memory

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.recall.encoder import PAD, SEPARATOR, START, Core, stack, wordpieces
from model.recall.word_filter import contains, content_words, signatures
from model.runtime import reduced_precision

__all__ = ["Gists", "Question", "Woken", "associate", "encode_question", "fit", "select", "sentence_gists"]

WINDOW = 254
"""WordPieces of context that the states of a passage see."""
BATCH = 4
"""Passages encoded at once: their states stay in the cache."""
SLAB = 65_536
"""Gists compared at once, so that memory stays flat."""
LEXICAL = 0.5
"""What it counts when a sentence holds all of a question's words; vectors count up to 1."""
CANDIDATES = 4_096
"""Best sentences looked at, duplicates among them."""
REPEATED = 2
"""Long sentences of the same words that are woken, whatever stands around them: licences and page furniture must not crowd answers."""
LONG = 36
"""Bits of a long sentence's filter; about eight words that tell something."""


@dataclass(frozen=True)
class Gists:
    """Of sentences, in the order of the stream; the arrays may be memory-mapped."""

    vectors: np.ndarray  # int8 [s, g]
    scales: np.ndarray  # float16 [s]
    words: np.ndarray  # uint64 [s, l]

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def join(cls, parts: "Sequence[Gists]") -> "Gists":
        """All parts, one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("vectors", "scales", "words")))


@dataclass(frozen=True)
class Question:
    """A question's gist: float32 [g], zeros where there is no word, and its content words."""

    vector: Tensor
    words: tuple[str, ...]


@dataclass(frozen=True)
class Woken:
    """A sentence that fits."""

    sentence: int
    memory: int
    score: float


def passages(sentences: Sequence[Sequence[int]], pages: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Rows of (token, sentence) pairs: consecutive sentences of one page, up to ``WINDOW`` tokens a row."""
    rows: list[list[tuple[int, int]]] = []
    page: int | None = None
    for number, ids in enumerate(sentences):
        ids = ids[:WINDOW]
        if pages[number] != page or len(rows[-1]) + len(ids) > WINDOW:
            rows.append([])
            page = pages[number]
        rows[-1] += [(token, number) for token in ids]
    return [row for row in rows if row]


@torch.inference_mode()
def sentence_gists(core: Core, sentences: Sequence[str], pages: Sequence[int]) -> Gists:
    """Gists of the consecutive ``sentences`` of a document.

    Each vector is pooled from states that saw the sentence's passage; ``pages`` [s] says where a passage must end.
    """
    width, device = core.config.gist, core.persistent.device
    rows = passages([encoding.ids for encoding in wordpieces(sentences)], pages)
    rows.sort(key=len)
    gists = torch.zeros(len(sentences), width)
    for first in range(0, len(rows), BATCH):
        batch = rows[first : first + BATCH]
        numbers = sorted({number for row in batch for _, number in row})
        local = {number: i for i, number in enumerate(numbers)}
        ids = stack([[START, *(token for token, _ in row), SEPARATOR] for row in batch], PAD)
        belongs = stack([[-1, *(local[number] for _, number in row), -1] for row in batch], -1)
        with reduced_precision(device):
            gists[numbers] = core.gists(ids.to(device), belongs.to(device), len(numbers)).cpu()
    scales = (gists.abs().amax(1, keepdim=True) / 127).clamp_min(1e-6).half()
    vectors = (gists / scales.float()).round().clamp(-127, 127).to(torch.int8)
    return Gists(vectors.numpy(), scales[:, 0].numpy(), signatures(sentences))


@torch.inference_mode()
def encode_question(core: Core, question: str) -> Question:
    """The gist of a question."""
    ids = wordpieces([question])[0].ids[:WINDOW]
    device = core.persistent.device
    row = torch.tensor([[START, *ids, SEPARATOR]], device=device)
    belongs = torch.tensor([[-1, *[0] * len(ids), -1]], device=device)
    with reduced_precision(device):
        vector = core.gists(row, belongs, 1)[0].cpu()
    return Question(vector, tuple(content_words(question)))


def similarities(queries: Tensor, gists: Gists) -> np.ndarray:
    """Largest cosine of each sentence with any of the queries [q, g]: float32 [s]."""
    best = np.empty(len(gists), np.float32)
    for first in range(0, len(gists), SLAB):
        part = slice(first, first + SLAB)
        slab = torch.from_numpy(np.array(gists.vectors[part])).float()
        best[part] = (slab @ queries.mT).amax(1).numpy() * np.asarray(gists.scales[part], np.float32)
    return best


def fit(question: Question, gists: Gists) -> np.ndarray:
    """How well each sentence fits: cosine of the vectors, and the share of the question's words it holds, rare ones counting more.

    float32 [s].
    """
    scores = similarities(question.vector[None], gists)
    found = np.zeros(len(gists), np.float32)
    most = 0.0
    for word in question.words:
        held = contains(gists.words, word)
        rarity = math.log((len(gists) + 1) / (np.count_nonzero(held) + 0.5))
        found[held] += rarity
        most += rarity
    return scores + LEXICAL / most * found if most > 0 else scores


def associate(seeds: Sequence[int], gists: Gists) -> np.ndarray:
    """How near each sentence is to the nearest of the sentences ``seeds``: cosines, float32 [s]."""
    vectors = torch.from_numpy(np.array(gists.vectors[list(seeds)])).float()
    return similarities(torch.nn.functional.normalize(vectors, dim=1), gists)


def select(scores: np.ndarray, gists: Gists, owners: np.ndarray, count: int, least: float = -math.inf) -> list[Woken]:
    """The best sentences, best first, of the ``count`` memories that they first come from, with ``least`` score.

    ``owners`` [s] is each sentence's memory, ascending. A copy is passed over: a sentence with the same words as a better one, and
    the same words before or behind it; and one of a long sentence that was woken ``REPEATED`` times.
    """
    candidates = np.arange(len(scores))
    if len(scores) > CANDIDATES:
        candidates = np.sort(np.argpartition(-scores, CANDIDATES)[:CANDIDATES])
    woken: list[Woken] = []
    memories: set[int] = set()
    seen: set[tuple[bytes, ...]] = set()
    repeated: Counter[bytes] = Counter()
    for sentence in candidates[np.argsort(-scores[candidates], kind="stable")].tolist():
        if scores[sentence] < least:
            break
        contexts = set(pairs(gists.words, sentence))
        own = gists.words[sentence].tobytes()
        if contexts & seen or (repeated[own] >= REPEATED and int.from_bytes(own).bit_count() >= LONG):
            continue
        memory = int(owners[sentence])
        if memory not in memories and len(memories) == count:
            continue
        seen |= contexts
        repeated[own] += 1
        memories.add(memory)
        woken.append(Woken(sentence, memory, float(scores[sentence])))
    return woken


def pairs(words: np.ndarray, sentence: int) -> Iterable[tuple[bytes, ...]]:
    """The sentence's filter with the one before it, and with the one behind it."""
    own = words[sentence].tobytes()
    for place, side in ((sentence - 1, b"before"), (sentence + 1, b"behind")):
        if 0 <= place < len(words):
            yield side, own, words[place].tobytes()
