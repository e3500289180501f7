"""How reading is trained: questions among passages that look alike, one softmax over all windows."""

import math
import random

import pytest
import torch
from safetensors.torch import load_file

from model import Encoder, EncoderConfig
from model.reader.network import NOTHING, YES
from model.reader.reranker import start_and_end
from model.reader.windows import SENTENCES_WINDOW, WINDOW
from model.training.checkpoint import export
from model.training.invented import NAMES, Story, invent_story
from model.training.library import sentence_spans
from model.training.losses import ABSURD, reading_loss, story_vector_loss
from model.training.questions import LONGEST_ANSWER, prepare
from model.training.tracking import Tracker
from model.training.windows import Group, Window, batches, crop, group, story_group, tokens

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
def test_answers_lie_where_their_windows_say(found, seed):
    (example,) = prepare([record(TEXT * 4, "Anna Berg")])
    made = group(example, found, random.Random(seed))
    assert (made.kind == NOTHING) == (not made.spans)
    ((first, last),) = example.spans
    for window, start, end in made.spans:
        assert made.windows[window].ids[start : end + 1] == example.passage.ids[first : last + 1]
        assert len(set(made.windows[window].pieces[start : end + 1])) == 1
    assert all(len(window.ids) == len(window.kinds) == len(window.pieces) <= WINDOW for window in made.windows)
    berg = found[2][0].ids[:2]
    held = sum(window.ids[i : i + 2] == berg for window in made.windows for i in range(len(window.ids)))
    assert held <= 4  # none from the passage that also holds the answer


def test_every_annotator_counts():
    given = record(TEXT, "Anna Berg") | {"answers": ["Anna Berg", "miller called Anna Berg", "Anna Berg"]}
    given["answer_start"] = [TEXT.find(a) for a in given["answers"]]
    (example,) = prepare([given])
    assert len(example.spans) == 2


PLACED = "hall lake farm tower bridge church prison castle harbour bakery".split()  # noqa: SIM905
STORY = Story(
    [*(f"{name} went to the {place}." for place in PLACED for name in NAMES[:4]), "Mary got the milk.", "Mary went to the park."],
    "Where is the milk?", "park", [40, 41],
)  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_facts_keep_their_order_and_the_answer_is_marked_in_those_that_tell_it(seed):
    made = story_group(STORY, ["The sea was calm that day.", "They met in the park."], random.Random(seed))
    (window,) = made.windows
    assert len(window.ids) <= SENTENCES_WINDOW
    assert made.spans
    for _, start, end in made.spans:
        assert window.ids[start : end + 1] == list(tokens("park"))
    asked = list(tokens(STORY.question))
    assert window.ids[-len(asked) - 1 : -1] == asked
    order = [token for token in window.ids if token in {tokens(place)[0] for place in PLACED}]
    assert order == sorted(order, key=[tokens(place)[0] for place in PLACED].index)
    assert window.ids.count(tokens("park")[0]) == 1  # no filler that holds the answer


@pytest.mark.parametrize("seed", range(60))
def test_invented_stories_hold_their_answers(seed):
    story = invent_story(random.Random(seed))
    assert any(story.answer in story.facts[i] for i in story.support)
    assert all(0 <= i < len(story.facts) for i in story.support)
    made = story_group(story, [], random.Random(seed))
    assert made.spans and made.longest <= SENTENCES_WINDOW


def test_vectors_learn_to_find_facts_in_other_text():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(width=16, layers=1, heads=2, feedforward=16, persistent=4))
    fillers = [text * 2 for text in OTHERS]
    loss = story_vector_loss(encoder, encoder, [Story(STORY.facts[-5:], STORY.question, "park", [3, 4])], fillers, random.Random(0))
    loss.backward()
    assert loss > 0 and encoder.condense.weight.grad.abs().sum() > 0


def test_sentences_cover_the_text():
    for text in (TEXT * 2, "No end", "One. Two! three? \n\n Four", ""):
        spans = sentence_spans(text)
        assert "".join(text[a:z] for a, z in spans) == text
    said = [TEXT[a:z].strip() for a, z in sentence_spans(TEXT.strip())]
    assert said == ["The mill was built in 1702 by a miller called Anna Berg.", "It burned down twice and was rebuilt each time."]


def test_batches_hold_all_groups_and_no_more_tokens_than_a_step(found):
    examples = prepare([record(TEXT * n, "Anna Berg") for n in (1, 2, 3, 4) for _ in range(10)])
    groups = [group(example, found, random.Random(i)) for i, example in enumerate(examples)]
    made = batches(groups, random.Random(0))
    assert sorted(map(id, groups)) == sorted(id(g) for batch in made for g in batch)
    for batch in made:
        assert len(batch) == 1 or sum(len(g.windows) for g in batch) * max(g.longest for g in batch) <= 3_000


def test_crop_holds_what_it_must(found):
    passage = found[0][0]
    for seed in range(50):
        rng = random.Random(seed)
        low = rng.randrange(len(passage.ids) - 1)
        first, after = crop(passage, low, low + 1, rng)
        assert 0 <= first <= low < after <= len(passage.ids)


def test_loss_is_one_softmax_over_all_windows_and_nothing():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(vocabulary=200, width=16, layers=1, heads=2, feedforward=16, positions=64, persistent=4))
    windows = [Window([101, 5, 6, 102, 7, 102, 9, 102], [0] * 6 + [1] * 2, [-1, 0, 0, -1, 1, -1, -1, -1]),
               Window([101, 8, 102, 9, 102], [0] * 3 + [1] * 2, [-1, 0, -1, -1, -1])]  # fmt: skip
    scores = []
    for window in windows:
        start, end = (x[0] for x in start_and_end(encoder, torch.tensor([window.ids]), torch.tensor([window.kinds])))
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
        (Group(windows, ((0, 1, 2),)), scores[0][(1, 2)]),
        (Group(windows, ((0, 1, 2), (1, 1, 1))), torch.logaddexp(scores[0][(1, 2)], scores[1][(1, 1)])),
        (Group(windows, (), YES), torch.logaddexp(scores[0][YES], scores[1][YES])),
        (Group(windows, (), NOTHING), torch.tensor(0.0)),
    ):
        assert math.isclose(reading_loss(encoder, Tracker(encoder), [made]).item(), (total - score).item(), rel_tol=1e-4)


def test_absurd_answers_of_noisy_sources_do_not_count():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(vocabulary=200, width=16, layers=1, heads=2, feedforward=16, positions=64, persistent=4))
    window = Window([101, 5, 6, 102, 9, 102], [0] * 4 + [1] * 2, [-1, 0, 0, -1, -1, -1])
    with torch.no_grad():
        encoder.span.weight *= 2_000
        losses = [
            reading_loss(encoder, Tracker(encoder), [Group([window], ((0, i, j),), noisy=noisy)])
            for noisy in (False, True)
            for i, j in ((1, 1), (2, 2))
        ]
    certain, absurd = sorted(losses[:2])
    assert absurd > ABSURD
    assert sorted(losses[2:]) == [0, certain if certain <= ABSURD else 0]


def test_the_mean_of_checkpoints_is_exported(tmp_path):
    paths = []
    for value in (1.0, 4.0):
        paths.append(tmp_path / f"{value}.pt")
        torch.save({"model": {"weight": torch.full((2, 3), value)}, "config": {"layers": 1}}, paths[-1])
    export([paths[0], paths[1], paths[1]], tmp_path / "mean.safetensors")
    assert load_file(tmp_path / "mean.safetensors")["weight"].tolist() == [[3.0] * 3] * 2
    torch.save({"model": {}, "config": {"layers": 2}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="different"):
        export([paths[0], tmp_path / "other.pt"], tmp_path / "mean.safetensors")
