"""How reading is trained: questions among passages that look alike, one softmax over all windows."""

import math
import random

import pytest
import torch

from model.config import CoreConfig
from model.core import NOTHING, YES, Core
from model.reading import LONGEST_ANSWER
from model.training.core import LONGEST_WINDOW, Group, Window, crop, group, prepare, reading_loss

TEXT = "The mill was built in 1702 by a miller called Anna Berg. It burned down twice and was rebuilt each time. "
OTHERS = [
    "A lighthouse stands on the northern cliff. " * 12,
    "The harbour froze in the winter of 1740. " * 9,
    "Anna Berg also owned a farm. " * 3,
]


def record(context: str, answer: str | None) -> dict:
    at = context.find(answer) if answer else -1
    question = "Who built the mill?"
    return {"title": "", "context": context, "question": question, "answers": [answer] if answer else [], "answer_start": [at]}


@pytest.fixture(scope="module")
def found():
    passages = [example.passage for example in prepare([record(text, None) for text in OTHERS])]
    return [(passage, 0.9 - 0.1 * i) for i, passage in enumerate(passages)]


@pytest.mark.parametrize("seed", range(12))
def test_answer_lies_where_its_window_says(found, seed):
    (example,) = prepare([record(TEXT * 4, "Anna Berg")])
    made = group(example, found, random.Random(seed))
    if made.kind is None:
        assert made.windows[made.window].ids[made.start : made.end + 1] == example.passage.ids[example.start : example.end + 1]
        assert len(set(made.windows[made.window].pieces[made.start : made.end + 1])) == 1
    else:
        assert made.kind == NOTHING
    assert all(len(window.ids) == len(window.kinds) == len(window.pieces) <= LONGEST_WINDOW for window in made.windows)
    berg = found[2][0].ids[:2]
    held = sum(window.ids[i : i + 2] == berg for window in made.windows for i in range(len(window.ids)))
    assert held <= 4  # none from the passage that also holds the answer


def test_crop_holds_what_it_must(found):
    passage = found[0][0]
    for seed in range(50):
        rng = random.Random(seed)
        low = rng.randrange(len(passage.ids) - 1)
        first, after = crop(passage, low, low + 1, rng)
        assert 0 <= first <= low < after <= len(passage.ids)


def test_loss_is_one_softmax_over_all_windows_and_nothing():
    torch.manual_seed(0)
    core = Core(CoreConfig(vocabulary=200, width=16, layers=1, heads=2, feedforward=16, positions=64, persistent=4))
    windows = [Window([101, 5, 6, 102, 7, 102, 9, 102], [0] * 6 + [1] * 2, [-1, 0, 0, -1, 1, -1, -1, -1]),
               Window([101, 8, 102, 9, 102], [0] * 3 + [1] * 2, [-1, 0, -1, -1, -1])]  # fmt: skip
    scores = []
    for window in windows:
        start, end = (x[0] for x in core.read(torch.tensor([window.ids]), torch.tensor([window.kinds])))
        nothing = start[NOTHING] + end[NOTHING]
        spans = {
            (i, j): start[4 + i] + end[4 + j] - nothing
            for i, of_first in enumerate(window.pieces)
            for j in range(i, min(len(window.ids), i + LONGEST_ANSWER + 1))
            if of_first >= 0 and of_first == window.pieces[j]
        }
        scores.append(spans | {kind: start[kind] + end[kind] - nothing for kind in (1, 2)})
    total = torch.stack([torch.tensor(0.0), *(s for window in scores for s in window.values())]).logsumexp(0)
    for made, score in (
        (Group(windows, 0, None, 1, 2), scores[0][(1, 2)]),
        (Group(windows, 1, YES, 0, 0), scores[1][YES]),
        (Group(windows, 0, NOTHING, 0, 0), torch.tensor(0.0)),
    ):
        assert math.isclose(reading_loss(core, [made]).item(), (total - score).item(), rel_tol=1e-4)
