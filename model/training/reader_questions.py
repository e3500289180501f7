"""The reader's packed training questions, read from the file of ``reader_data.py``, and the passages nearest to each question."""

# e example · n passage

import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.reader.network import ReaderConfig
from model.training.questions import sources_in_shares

__all__ = ["SHARES", "Questions", "nearest_passages"]

NEIGHBOURS = 10
PRIOR_LENGTH = 20.0
"""Added to a passage's length in the cosine, so that short passages are not nearest to everything."""
SHARES = {  # how often an example of each source is taken in one round
    "squad11": 1.6, "squad_train_nqg44": 1.2, "squad_train_silver": 0.8, "typed": 0.5, "squadshifts_reddit": 0.7,
    "squadshifts_amazon_reviews": 0.7, "policyqa_dev": 0.3, "policyqa_test": 0.3, "subjqa": 0.25, "fairytaleqa": 0.7, "friendsqa": 0.4,
    "molweni": 0.4, "torque": 0.15, "ester": 0.3, "quoref": 1.0, "mctest": 0.7, "qamr_sample": 0.3, "qamr_more": 0.3, "ropes": 0.5,
    "boolq": 2.5, "pubmedqa": 1.5, "covidqa": 1.5, "wikitables": 2.5, "search_questions": 6.0, "medquad_gists": 0.3, "rules": 0.6,
    "tables": 0.8, "everyday": 2.5, "invented": 3.0, "identifiers": 0.6, "numbers": 1.0, "broken": 0.7, "stories": 0.9, "babi": 1.0,
    "squad20_unanswerable": 1.0, "filler": 0.0,
}  # fmt: skip


class Questions:
    """The arrays of ``Packer.arrays``: examples by number, each with its source, passage, kind, question and spans.

    ``near`` [e, n] holds the numbers of the passages nearest to each question, the nearest first; none until it is set.
    """

    def __init__(self, path: Path):
        packed = np.load(path)
        self.rows, self.sources = packed["rows"], [str(s) for s in packed["sources"]]
        self.passage_ids, self.question_ids = packed["passages"], packed["questions"]
        self.passage_starts = np.concatenate([[0], packed["passages_sizes"].astype(np.int64).cumsum()])
        self.question_starts = np.concatenate([[0], packed["questions_sizes"].astype(np.int64).cumsum()])
        self.spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for example, first, last in packed["spans"].tolist():
            self.spans[example].append((first, last))
        self.by_source = {name: np.flatnonzero(self.rows[:, 0] == i).tolist() for i, name in enumerate(self.sources)}
        self.filler = self.rows[self.by_source["filler"], 1]
        """Passages whose sentences stand between the facts of stories."""
        self.near = np.zeros((len(self.rows), 0), np.int32)

    def passage(self, number: int) -> np.ndarray:
        return self.passage_ids[self.passage_starts[number] : self.passage_starts[number + 1]]

    def question(self, example: int) -> np.ndarray:
        return self.question_ids[self.question_starts[example] : self.question_starts[example + 1]]

    def round(self, rng: random.Random) -> list[int]:
        """Examples of one round, each source in its share."""
        return sources_in_shares(self.by_source, rng, SHARES)


def held_tokens(ids: np.ndarray, starts: np.ndarray, device: torch.device) -> Tensor:
    """Which tokens each row holds, 0 or 1 [rows, vocabulary]; row i has the ids from ``starts[i]`` to ``starts[i + 1]``."""
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    row = torch.from_numpy(np.repeat(np.arange(len(starts) - 1), np.diff(starts))).to(device)
    token = torch.from_numpy(ids[starts[0] : starts[-1]].astype(np.int64)).to(device)
    held = torch.zeros(len(starts) - 1, ReaderConfig.vocabulary, dtype=kind, device=device)
    return held.index_put_((row, token), torch.ones((), dtype=kind, device=device))


@torch.inference_mode()
def nearest_passages(questions: Questions, device: torch.device) -> np.ndarray:
    """Numbers of the passages nearest to each example's question, int32 [e, n], by the cosine of TF-IDF, see ``PRIOR_LENGTH``."""
    held = held_tokens(questions.passage_ids, questions.passage_starts, device)
    frequency = held.sum(0, dtype=torch.float32)
    weight = torch.log((len(held) + 1) / (frequency + 0.5)).clamp_min(0).to(held.dtype)
    held *= weight
    length = torch.cat([part.float().square().sum(1) for part in held.split(4096)]).sqrt().clamp_min(1e-6) + PRIOR_LENGTH
    near = []
    for first in range(0, len(questions.rows), 2048):
        asked = held_tokens(questions.question_ids, questions.question_starts[first : first + 2049], device)
        scores = (asked * weight) @ held.mT / length.to(held.dtype)
        near.append(scores.topk(min(NEIGHBOURS, len(held)), 1).indices.int().cpu().numpy())
    return np.concatenate(near)
