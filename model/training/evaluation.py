"""Evaluates reading and retrieval of an encoder in training, on questions that it was not trained on."""

import random
import statistics
from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor

from model.reader.network import NOTHING
from model.reader.reranker import start_and_end
from model.recall.encoder import Encoder
from model.runtime import reduced_precision
from model.training.invented import babi_stories
from model.training.library import question_vectors
from model.training.losses import vector_batch
from model.training.questions import Example, prepare, read_jsonl
from model.training.scoring import best, exact_match, f1
from model.training.windows import Window, make_window, story_group, tokens

__all__ = ["evaluate"]


@torch.no_grad()
def evaluate(encoder: Encoder, data: Path, babi: Path, count: int = 400) -> dict[str, float]:
    """Reading with the gold passage, vectors (right passage found first), and stories of each bAbI task, answers right.

    ``exact_match`` and ``f1`` are of the best span; ``answered_f1`` counts a refusal as wrong.
    """
    encoder.eval()
    rng = random.Random(3)
    result = {}
    for name in ("squad11", "squad20_unanswerable"):
        records = read_jsonl(data / f"{name}.jsonl.gz")
        if name == "squad11":
            result["retrieval_top1"] = retrieval_accuracy(encoder, prepare(records))
        records = rng.sample(records, min(count, len(records)))
        hits = [answer(encoder, r) for r in records]
        if name == "squad11":
            for metric in (exact_match, f1):
                result[metric.__name__] = statistics.mean(
                    best(metric, hit, r["answers"]) for (hit, _), r in zip(hits, records, strict=True)
                )
            kept = [best(f1, hit if score >= 0 else "", r["answers"]) for (hit, score), r in zip(hits, records, strict=True)]
            result["answered_f1"] = statistics.mean(kept)
        else:
            result["refused"] = statistics.mean(score < 0 for _, score in hits)
    right: dict[int, list[bool]] = defaultdict(list)
    stories = babi_stories(babi, held_out=True)
    for task, story in rng.sample(stories, min(count, len(stories))) + [s for s in stories if s[0] == 3][:50]:
        (window,) = story_group(story, [], rng).windows
        start, end, _ = spans_of(encoder, window)
        at = int((start + end).argmax())
        right[task].append(window.ids[at] == tokens(story.answer)[0])
    encoder.train()
    return {name: round(value, 4) for name, value in result.items()} | {
        f"qa{t}": round(statistics.mean(right[t]), 3) for t in sorted(right)
    }


def spans_of(encoder: Encoder, window: Window) -> tuple[Tensor, Tensor, Tensor]:
    """Start and end scores [t] of a window's tokens, and the score of nothing."""
    with reduced_precision(encoder.device):
        rows = (torch.tensor([numbers], device=encoder.device) for numbers in (window.ids, window.kinds))
        start, end = (scores.cpu() for scores in start_and_end(encoder, *rows))
    inner = slice(encoder.config.persistent, None)
    return start[0, inner], end[0, inner], start[0, NOTHING] + end[0, NOTHING]


def answer(encoder: Encoder, record: dict) -> tuple[str, float]:
    """The best span of the gold passage, and its score above nothing."""
    (example,) = prepare([{**record, "is_impossible": True}])
    window, _ = make_window([example.passage.ids[:440]], example.question)
    start, end, nothing = spans_of(encoder, window)
    band = torch.ones(len(start), len(start), dtype=torch.bool).triu().tril(20)
    score, index = (start[:, None] + end[None, :]).masked_fill(~band, -torch.inf).flatten().max(0)
    first, last = divmod(int(index), len(start))
    offsets = example.passage.offsets
    return record["context"][offsets[first - 1][0] : offsets[last - 1][1]], float(score - nothing)


def retrieval_accuracy(encoder: Encoder, examples: list[Example], count: int = 500) -> float:
    """Share of questions whose best sentence, among those of all passages, lies in the right passage."""
    unique = list({e.passage.text: e for e in examples}.values())
    vectors, owners = [], []
    with reduced_precision(encoder.device):
        for i in range(0, len(unique), 16):
            ids, belongs, owner, _, _ = vector_batch(unique[i : i + 16], encoder.device)
            vectors.append(encoder.sentence_vectors(ids, belongs, len(owner)))
            owners.append(owner + i)
        asked = random.Random(4).sample(examples, count)
        questions = torch.cat([question_vectors(encoder, [e.question for e in asked[i : i + 50]]) for i in range(0, count, 50)])
    found = torch.cat(owners)[(questions @ torch.cat(vectors).mT).argmax(1)]
    place = {e.passage.text: i for i, e in enumerate(unique)}
    return sum(int(f) == place[e.passage.text] for f, e in zip(found, asked, strict=True)) / count
