"""Computes sentence vectors and word filters, of memorized text and of questions.

The vector of a sentence holds its meaning, the filter its words (``word_filter.py``).
"""

# s sentence · g feature of a sentence vector · l lane of a filter

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.bert import PAD, SEPARATOR, START, stack, wordpieces
from model.recall.encoder import Encoder
from model.recall.word_filter import content_words, word_filters
from model.runtime import reduced_precision

__all__ = ["Question", "SentenceVectors", "encode_question", "encode_sentences"]

WINDOW = 254
"""WordPieces of context that the states of a passage see."""
BATCH = 4
"""Passages encoded at once: their states stay in the cache."""


@dataclass(frozen=True)
class SentenceVectors:
    """Vectors and word filters of sentences, in the order of the stream; the arrays may be memory-mapped."""

    vectors: np.ndarray  # int8 [s, g]
    scales: np.ndarray  # float16 [s]
    words: np.ndarray  # uint64 [s, l]

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def join(cls, parts: "Sequence[SentenceVectors]") -> "SentenceVectors":
        """All parts, concatenated."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("vectors", "scales", "words")))


@dataclass(frozen=True)
class Question:
    """A question's vector, float32 [g], zeros if it has no words, and its content words."""

    vector: Tensor
    words: tuple[str, ...]


def passages(sentences: Sequence[Sequence[int]], pages: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Rows of (token, sentence) pairs: consecutive sentences of one page, up to ``WINDOW`` tokens per row."""
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
def encode_sentences(encoder: Encoder, sentences: Sequence[str], pages: Sequence[int]) -> SentenceVectors:
    """Vectors and filters of the consecutive ``sentences`` of a document.

    Each vector is pooled from states that saw the sentence's passage; ``pages`` [s] says where a passage must end.
    """
    width, device = encoder.config.vector, encoder.device
    rows = passages([encoding.ids for encoding in wordpieces(sentences)], pages)
    rows.sort(key=len)
    vectors = torch.zeros(len(sentences), width)
    for first in range(0, len(rows), BATCH):
        batch = rows[first : first + BATCH]
        numbers = sorted({number for row in batch for _, number in row})
        local = {number: i for i, number in enumerate(numbers)}
        ids = stack([[START, *(token for token, _ in row), SEPARATOR] for row in batch], PAD, device)
        belongs = stack([[-1, *(local[number] for _, number in row), -1] for row in batch], -1, device)
        with reduced_precision(device):
            vectors[numbers] = encoder.sentence_vectors(ids, belongs, len(numbers)).cpu()
    scales = (vectors.abs().amax(1, keepdim=True) / 127).clamp_min(1e-6).half()
    codes = (vectors / scales.float()).round().clamp(-127, 127).to(torch.int8)
    return SentenceVectors(codes.numpy(), scales[:, 0].numpy(), word_filters(sentences))


@torch.inference_mode()
def encode_question(encoder: Encoder, question: str) -> Question:
    """The vector and the words of a question."""
    ids = wordpieces([question])[0].ids[:WINDOW]
    device = encoder.device
    row = torch.tensor([[START, *ids, SEPARATOR]], device=device)
    belongs = torch.tensor([[-1, *[0] * len(ids), -1]], device=device)
    with reduced_precision(device):
        vector = encoder.sentence_vectors(row, belongs, 1)[0].cpu()
    return Question(vector, tuple(content_words(question)))
