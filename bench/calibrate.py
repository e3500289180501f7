"""Fit ``model/confidence.py``: how sure an answer is, and from where on it is given.

    python bench/calibrate.py --questions squad11.jsonl.gz --unanswerable squad20_unanswerable.jsonl.gz --never tatqa_text.jsonl.gz
        --home HOME_THAT_MEMORIZED_THE_ARTICLES [--count 600]

Weights are fitted by logistic regression, and told on articles that they were not fitted to (five folds). Right means exact match;
answers to unanswerable questions and to those about things never read are wrong. The constants that it prints, fitted to all, are
copied into the module.
"""

import argparse
import random
import statistics
from pathlib import Path

import torch
from common import report
from docqa import calibration_error, read_questions
from torch.nn import functional as F

from model.training.scoring import best, exact_match
from titans_cli.models import Models
from titans_cli.services.ask.answer import Assistant

FOLDS = 5


def gather(assistant: Assistant, records: list[dict], kind: str) -> list[dict]:
    """What each answer's confidence is made of, and whether it is right."""
    rows = []
    for record in records:
        said = assistant.ask(record["question"], least=0)
        if said.features is not None:
            right = kind == "answerable" and bool(best(exact_match, said.answer or "", record["answers"]))
            title = record["question"] if kind == "never read" else record["title"]
            rows.append({"kind": kind, "title": title, "signs": said.features.values(), "right": right})
    return rows


def fit(rows: list[dict]) -> torch.Tensor:
    """Weights and, last, bias of a logistic regression with a little weight decay, float64 [signs + 1]."""
    signs = torch.tensor([row["signs"] for row in rows], dtype=torch.float64)
    mean, spread = signs.mean(0), signs.std(0).clamp_min(1e-6)
    inputs = torch.cat([(signs - mean) / spread, torch.ones(len(rows), 1, dtype=torch.float64)], 1)
    right = torch.tensor([float(row["right"]) for row in rows], dtype=torch.float64)
    weights = torch.zeros(inputs.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=200)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = F.binary_cross_entropy_with_logits(inputs @ weights, right) + 1e-3 * weights[:-1].square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    plain = weights.detach()[:-1] / spread
    return torch.cat([plain, (weights.detach()[-1] - plain @ mean)[None]])


def confidences(rows: list[dict], weights: torch.Tensor) -> list[float]:
    signs = torch.tensor([row["signs"] for row in rows], dtype=torch.float64)
    return (signs @ weights[:-1] + weights[-1]).sigmoid().tolist()


def tell(name: str, rows: list[dict], sure: list[float]) -> dict:
    """The table's line of confidences ``sure``, and the least of them that keeps 95 % of the right answers."""
    answerable = [(c, row["right"]) for c, row in zip(sure, rows, strict=True) if row["kind"] == "answerable"]
    right = sorted(c for c, hit in answerable if hit)
    least = right[len(right) // 20]
    line: dict = {"weights": name, "questions": len(rows), "error, all": calibration_error(sure, [row["right"] for row in rows])}
    line["error, answerable"] = calibration_error(*zip(*answerable, strict=True))
    line["least for 95 % of the right"] = least
    for kind in ("answerable", "unanswerable", "never read"):
        refused = [c < least for c, row in zip(sure, rows, strict=True) if row["kind"] == kind]
        line[f"{kind} refused %"] = 100 * statistics.mean(refused) if refused else float("nan")
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--unanswerable", type=Path, required=True)
    parser.add_argument("--never", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--count", type=int, default=600)
    arguments = parser.parse_args()
    assistant = Assistant(arguments.home, Models())
    rows = []
    for kind, path, count in (
        ("answerable", arguments.questions, arguments.count),
        ("unanswerable", arguments.unanswerable, arguments.count // 4),
        ("never read", arguments.never, arguments.count // 4),
    ):
        records = read_questions(path)
        rows += gather(assistant, random.Random(6).sample(records, min(count, len(records))), kind)
    titles = sorted({row["title"] for row in rows})
    random.Random(1).shuffle(titles)
    told: list[dict] = []
    held_out: list[float] = []
    for number in range(FOLDS):
        part = set(titles[number::FOLDS])
        inside = [row for row in rows if row["title"] in part]
        told += inside
        held_out += confidences(inside, fit([row for row in rows if row["title"] not in part]))
    weights = fit(rows)
    lines = [tell("held out", told, held_out), tell("fitted to all", rows, confidences(rows, weights))]
    report("calibrate", lines, asked=rows, bias=f"{weights[-1]:.3f}", weights=tuple(round(w, 3) for w in weights[:-1].tolist()))


if __name__ == "__main__":
    main()
