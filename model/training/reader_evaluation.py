"""Scores of the reader on development questions, each with its right passage alone."""

from collections import defaultdict

import numpy as np
import torch

from model.bert import SEPARATOR, START
from model.reader.network import NO, NOTHING, YES, ReaderNetwork
from model.training.reader_losses import span_mask
from model.training.reader_windows import pad_windows
from model.training.scoring import best, exact_match, f1

__all__ = ["evaluate"]

BATCH = 96
ROOM = 490
"""Tokens of a question and its passage."""


@torch.inference_mode()
def best_spans(network: ReaderNetwork, rows: list[dict]) -> list[tuple[str, float, list[float]]]:
    """Text and score of each row's best span, and the scores of nothing, yes and no."""
    windows = [[START, *r["question"], SEPARATOR, *r["ids"][: ROOM - len(r["question"])], SEPARATOR] for r in rows]
    ids = pad_windows(windows).to(network.device)
    pairs, special = network(ids)
    scores, places = pairs.masked_fill(~span_mask(ids), -torch.inf).flatten(1).max(1)
    found = []
    for row, score, place, kinds in zip(rows, scores.tolist(), places.tolist(), special.tolist(), strict=True):
        first, last = (token - len(row["question"]) - 2 for token in divmod(place, ids.shape[1]))
        found.append((row["context"][row["offsets"][first][0] : row["offsets"][last][1]], score, kinds))
    return found


def score(row: dict, text: str, span: float, kinds: list[float]) -> dict[str, float]:
    """Metrics of one row, given the best span's text and score and the scores of nothing, yes and no."""
    if not row["answers"]:
        return {"refused": kinds[NOTHING] > max(span, kinds[YES], kinds[NO])}
    if not row["span"]:
        return {"yes_no": ("yes" if kinds[YES] > kinds[NO] else "no") == row["answers"][0].lower()}
    fit = best(f1, text, row["answers"])
    return {"em": best(exact_match, text, row["answers"]), "f1": fit, "answered_f1": fit if span > kinds[NOTHING] else 0.0}


def evaluate(network: ReaderNetwork, rows: list[dict]) -> dict[str, dict[str, float]]:
    """Means by source of the rows of ``reader_data.development_rows``.

    ``em`` and ``f1`` are of the best span, ``answered_f1`` counts refusals as wrong; ``refused`` and ``yes_no`` are shares of
    questions without an answer that are refused, and of yes and no that are right.
    """
    results: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    rows = sorted(rows, key=lambda row: len(row["ids"]))
    for first in range(0, len(rows), BATCH):
        some = rows[first : first + BATCH]
        for row, (text, span, kinds) in zip(some, best_spans(network, some), strict=True):
            for metric, value in score(row, text, span, kinds).items():
                results[row["source"]][metric].append(value)
    return {name: {metric: round(float(np.mean(v)), 4) for metric, v in kept.items()} for name, kept in results.items()}
