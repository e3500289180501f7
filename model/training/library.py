"""The library of training passages and other text that is searched with the vector of a question."""

import copy
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from model.bert import PAD, SEPARATOR, START, stack
from model.recall.encoder import Encoder
from model.runtime import reduced_precision
from model.training.questions import LONGEST_PASSAGE, Passage

__all__ = ["Library", "question_means", "question_vectors", "sentence_rows"]

SENTENCE = re.compile(r"""(?<=[.!?…])["'”’)\]]*(?=\s+["'“‘(\[]?[^\W_a-z])|(?=\n[ \t]*\n)""")
"""Ends of sentences, good enough for training."""

FOUND = 24
"""Sentences that a question finds in the library."""


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Spans (start, end) in characters, without gaps."""
    ends = sorted({match.end() for match in SENTENCE.finditer(text)} | {len(text)})
    return list(zip([0, *ends], ends, strict=False))


def sentence_rows(passages: list[Passage]) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """Ids of each passage, the sentence number of each token (−1 for none), and the passage of each sentence."""
    rows: list[list[int]] = []
    belongs: list[list[int]] = []
    owner: list[int] = []
    for row, passage in enumerate(passages):
        spans = sentence_spans(passage.text)
        offsets = passage.offsets[: LONGEST_PASSAGE - 2]
        numbers = [next(i for i, (_, z) in enumerate(spans) if a < z) for a, _ in offsets]
        rows.append([START, *passage.ids[: LONGEST_PASSAGE - 2], SEPARATOR])
        belongs.append([-1, *(len(owner) + i for i in numbers), -1])
        owner += [row] * (max(numbers) + 1)
    return rows, belongs, owner


def question_rows(questions: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor, int]:
    rows = [[START, *q, SEPARATOR] for q in questions]
    numbers = [[-1, *[i] * len(q), -1] for i, q in enumerate(questions)]
    return stack(rows, PAD, device), stack(numbers, -1, device), len(rows)


def question_vectors(encoder: Encoder, questions: Sequence[Sequence[int]]) -> Tensor:
    return encoder.sentence_vectors(*question_rows(questions, encoder.device))


def question_means(encoder: Encoder, questions: Sequence[Sequence[int]]) -> Tensor:
    return encoder.means(*question_rows(questions, encoder.device))


class Library:
    """All training passages and stretches of other text, to be found by the vector of a question.

    The cache keeps the mean states of all sentences and the encoder that made them, which also encodes the questions.
    """

    def __init__(self, encoder: Encoder, passages: list[Passage], cache: Path):
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.passages = passages
        if cache.exists():
            saved = torch.load(cache, weights_only=True, map_location=encoder.device)
            self.encoder.load_state_dict(saved["finder"], strict=False)
            self.means, self.owners = saved["means"], saved["owners"].cpu()
        else:
            self.means, self.owners = self.encode()
            torch.save({"means": self.means, "owners": self.owners, "finder": self.encoder.state_dict()}, cache)
        if int(self.owners.max()) >= len(passages):
            raise SystemExit(f"{cache} was made of other passages. Delete it.")

    @torch.inference_mode()
    def encode(self) -> tuple[Tensor, Tensor]:
        means, owners = [], []
        order = sorted(range(len(self.passages)), key=lambda i: len(self.passages[i].ids))
        for first in range(0, len(order), 16):
            some = [i for i in order[first : first + 16] if self.passages[i].ids]
            rows, belongs, owner = sentence_rows([self.passages[i] for i in some])
            device = self.encoder.device
            with reduced_precision(device):
                means.append(self.encoder.means(stack(rows, PAD, device), stack(belongs, -1, device), len(owner)).bfloat16())
            owners.append(torch.tensor(some)[torch.tensor(owner)])
        return torch.cat(means), torch.cat(owners)

    @torch.inference_mode()
    def find(self, questions: list[list[int]]) -> list[list[tuple[Passage, float]]]:
        """The passages of the ``FOUND`` sentences nearest to each question, best first, with that similarity."""
        with reduced_precision(self.encoder.device):
            asked = question_means(self.encoder, questions).bfloat16()
            best, index = (asked @ self.means.mT).float().topk(FOUND)
        found = []
        for scores, sentences in zip(best.tolist(), self.owners[index.cpu()].tolist(), strict=True):
            passages: dict[int, float] = {}
            for score, owner in zip(scores, sentences, strict=True):
                passages.setdefault(owner, score)
            found.append([(self.passages[owner], score) for owner, score in passages.items()])
        return found

    def directions(self, count: int) -> Tensor:
        """The ``count`` directions [count, d] that hold most of the mean states."""
        sample = self.means[:: max(1, len(self.means) // 100_000)].float()
        return torch.linalg.eigh(sample.mT @ sample).eigenvectors[:, -count:].flip(1).mT
