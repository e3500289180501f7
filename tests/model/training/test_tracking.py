"""Links between the words of a story."""

import random

import pytest
import torch

from model import Encoder, EncoderConfig
from model.reader.reranker import start_and_end
from model.training.invented import Story
from model.training.losses import reading_loss
from model.training.tracking import BEFORE, CARRIED, HOLDER, PLACE, RELATIONS, SUPPORT, THINGS_PLACE, Tracker, track
from model.training.windows import make_window, story_group, tokens

FACTS = [
    "Mary went to the kitchen.",
    "Mary took the milk there.",
    "The weather was fine.",
    "Mary moved to the garden.",
    "John travelled to the garden.",
    "Mary gave the milk to John.",
    "John went back to the office.",
    "John dropped the milk.",
    "John moved to the kitchen.",
]


@pytest.mark.parametrize(
    ("relation", "origin", "targets"),
    [
        (PLACE, (1, "Mary"), ((0, "kitchen"),)),
        (PLACE, (7, "John"), ((6, "office"),)),
        (THINGS_PLACE, (1, "milk"), ((0, "kitchen"),)),
        (THINGS_PLACE, (5, "milk"), ((4, "garden"),)),
        (THINGS_PLACE, (7, "milk"), ((6, "office"),)),
        (HOLDER, (1, "milk"), ((1, "Mary"),)),
        (HOLDER, (5, "milk"), ((5, "John"),)),
        (CARRIED, (0, "kitchen"), ()),
        (CARRIED, (3, "garden"), ((1, "milk"),)),
        (CARRIED, (6, "office"), ((5, "milk"),)),
        (CARRIED, (8, "kitchen"), ()),
        (BEFORE, (3, "garden"), ((0, "kitchen"),)),
        (BEFORE, (8, "kitchen"), ((6, "office"),)),
    ],
)
def test_a_storys_links_tell_where_everything_is(relation, origin, targets):
    assert [link[2] for link in track(FACTS) if link[:2] == (relation, origin)] == [targets]


def test_other_facts_have_no_links():
    assert track(["The office is north of the kitchen.", "It rained."]) == []


def test_links_point_at_tokens_of_the_window():
    story = Story(FACTS, "Where is the milk?", "office", [7, 6])
    group = story_group(story, ["It was a bright cold day in April, and the clocks were striking thirteen."], random.Random(0))
    ids = group.windows[0].ids
    assert {relation for relation, _, _ in group.windows[0].links} == set(range(len(RELATIONS)))
    word = lambda at: next(w for w in ("kitchen", "garden", "office", "milk", "Mary", "John") if tokens(w)[0] == ids[at])  # noqa: E731
    for relation, origin, targets in group.windows[0].links:
        if relation == CARRIED:
            assert all(word(at) == "milk" for at in targets if at)
        elif relation in (PLACE, THINGS_PLACE, BEFORE):
            assert all(word(at) in ("kitchen", "garden", "office") for at in targets)
            assert relation == PLACE or all(at < origin for at in targets)
        elif relation == SUPPORT:
            assert origin == 0 and len(targets) == 2


def test_training_on_a_storys_links_draws_them():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(layers=4, width=48, heads=4, feedforward=96))
    tracker = Tracker(encoder)
    group = story_group(Story(FACTS, "Where is the milk?", "office", [7, 6]), [], random.Random(0))
    optimiser = torch.optim.Adam([*encoder.parameters(), *tracker.parameters()], lr=3e-3)
    valid = torch.ones(1, len(group.windows[0].ids), dtype=torch.bool)
    losses = []
    for _ in range(40):
        reading_loss(encoder, tracker, [group]).backward()
        losses.append(tracker.loss([group.windows[0].links], valid, encoder.config.persistent).item())
        optimiser.step()
        optimiser.zero_grad()
    assert losses[0] > 3 and losses[-1] < 0.5


def test_a_window_without_links_costs_nothing():
    encoder = Encoder(EncoderConfig(layers=4, width=48, heads=4, feedforward=96))
    tracker = Tracker(encoder)
    window, _ = make_window([list(tokens("It rained."))], list(tokens("Why?")))
    start_and_end(encoder, torch.tensor([window.ids]), torch.tensor([window.kinds]))
    assert tracker.loss([()], torch.ones(1, len(window.ids), dtype=torch.bool), encoder.config.persistent) == 0
