"""Networks, rules and losses make their tensors where their weights are: tensors made elsewhere by default would not fit."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from model import BlockConfig, Encoder, EncoderConfig, Memorizer, MemorizerConfig, RuleConfig, TitansBlock
from model.bert import stack
from model.config import BLOCK_JOININGS, MEMORIZER_JOININGS, RULES, MemoryConfig
from model.memorizer.quantization import dequantize
from model.memorizer.reciter import decode
from model.memorizer.writer import write
from model.training.invented import invent_story
from model.training.losses import reading_loss, story_vector_loss, vector_loss
from model.training.memorizer import losses
from model.training.questions import prepare
from model.training.tracking import Tracker
from model.training.windows import group, story_group

TEXT = "The mill was built in 1702 by a miller called Anna Berg. It burned down twice and was rebuilt each time. "
RECORD = {"title": "", "context": TEXT, "question": "Who built the mill?", "answers": ["Anna Berg"], "answer_start": [TEXT.index("Anna")]}


@contextmanager
def elsewhere() -> Iterator[None]:
    """Tensors are made on a device that mixes with no other, unless one is named."""
    with torch.device("meta"):
        yield


@pytest.mark.parametrize("joining", BLOCK_JOININGS)
@pytest.mark.parametrize("rule", RULES)
def test_titans_blocks(joining, rule):
    block = TitansBlock(BlockConfig(16, RuleConfig(4, 4, rule=rule, chunk=4), joining=joining, heads=2, hidden=5, window=6, persistent=2))
    x = torch.randn(2, 15, 16)
    with elsewhere():
        first, state = block(x[:, :7])
        second, _ = block(x[:, 7:], state)
        (first.sum() + second.sum()).backward()


MEMORIZERS = [*((joining, "closed") for joining in MEMORIZER_JOININGS), *(("additive", rule) for rule in RULES if rule != "closed")]


@pytest.mark.parametrize(("joining", "rule"), MEMORIZERS)
def test_memorizers(joining, rule):
    memory = MemoryConfig(key=32, value=16, rule=rule, chunk=8, passes=2, bits=8)
    sizes = {"vocabulary": 48, "classes": 4, "embedding": 12, "width": 16, "layers": 1, "heads": 2, "segment": 20, "window": 6}
    memorizer = Memorizer(MemorizerConfig(**sizes, joining=joining, memory=memory))
    tokens, lengths, rows = torch.randint(0, 48, (3, 20)), torch.tensor([20, 7, 1]), torch.tensor([8, 16, 32])
    with elsewhere():
        sum(losses(memorizer, tokens, rows)).backward()
        written = write(memorizer, tokens, lengths)
        decode(memorizer, dequantize(written.codes, written.scales, 8), written.rows, 9)


def test_encoder_and_reader():
    encoder = Encoder(EncoderConfig(width=16, layers=3, heads=2, feedforward=16, persistent=4))
    tracker = Tracker(encoder)
    ids = stack([[101, 7, 8, 102], [101, 9, 102]], 0)
    examples = prepare([RECORD])
    others = [(example.passage, 0.5) for example in prepare([RECORD | {"context": "Cotton grows on a shrub. " * 9, "answers": []}])]
    stories = [invent_story(random.Random(seed)) for seed in range(2)]
    groups = [group(examples[0], others, random.Random(0)), *(story_group(story, [TEXT], random.Random(0)) for story in stories)]
    with elsewhere():
        encoder.sentence_vectors(ids, ids * 0, 1)
        loss = reading_loss(encoder, tracker, groups) + vector_loss(encoder, encoder, examples)
        (loss + story_vector_loss(encoder, encoder, stories, [TEXT * 3], random.Random(0))).backward()
