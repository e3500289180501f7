"""Training of the reader: packed questions, windows, the loss against a plain one, masters, scores, and a short run."""

import json
import math
import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from model.bert import PAD, SEPARATOR, START, wordpieces
from model.reader.network import NOTHING, YES, ReaderConfig, ReaderNetwork
from model.reader.quantization import unpack_state
from model.reader.windows import WINDOW
from model.training import reader_windows
from model.training.invented import Story, invent_story
from model.training.reader import Masters, Settings, Trainer, train
from model.training.reader_data import Kind, Packer, development_rows
from model.training.reader_evaluation import evaluate
from model.training.reader_export import export_reader
from model.training.reader_losses import ABSURD, grouped_logsumexp, reading_loss
from model.training.reader_questions import Questions, nearest_passages
from model.training.reader_start import start_reader
from model.training.reader_windows import Group, batches, collate, make_group

# w window · t token

SMALL = ReaderConfig(width=64, layers=1, heads=2, feedforward=64, pairing=8)
TINY = replace(SMALL, vocabulary=150, positions=40)
CPU = torch.device("cpu")
RECORDS = [
    {"title": "", "context": f"The {thing} of {town} was {verb} in {year} by {name}.", "question": f"Who {verb} the {thing}?",
     "answers": [name], "answer_start": [f"The {thing} of {town} was {verb} in {year} by {name}.".index(name)]}
    for thing, town, verb, year, name in (
        ("bridge", "Oslo", "built", 1897, "Ida Holm"), ("tower", "Lyon", "painted", 1920, "Raj Patel"),
        ("mill", "Bath", "sold", 1754, "Max"), ("school", "Porto", "opened", 2003, "Eva Klein"),
        ("garden", "Cork", "planned", 1688, "Tom Reed"),
    )
]  # fmt: skip
LONG = "Rain fell on the hills. " * 150
RECORDS.append(
    {"title": "", "context": f"{LONG}The ferry left at noon. {LONG}", "question": "When did the ferry leave?",
     "answers": ["at noon", "noon"], "answer_start": [len(LONG) + 15, len(LONG) + 18]}
)  # fmt: skip
RECORDS += [
    {"title": "", "context": RECORDS[0]["context"], "question": "Who sold the castle?", "answers": [], "answer_start": []},
    {"title": "", "context": RECORDS[1]["context"], "question": "Was the tower painted?", "answers": ["Yes."], "answer_start": [-1]},
    {"title": "", "context": RECORDS[1]["context"], "question": "Is it red?", "answers": ["perhaps"], "answer_start": [-1]},
]
FILLER = [
    {"title": "", "context": "Snow lay on the roofs of the old town all winter. " * 8, "question": "-", "answers": [], "answer_start": []}
]


STORIES = [story for story in map(invent_story, map(random.Random, range(40))) if len(story.facts) < 30][:10]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    packer = Packer()
    assert packer.add("squad11", RECORDS) == 8
    packer.add_stories("stories", STORIES)
    packer.add("filler", FILLER)
    path = tmp_path_factory.mktemp("reader") / "reader_data.npz"
    np.savez(path, **packer.arrays())
    rows = development_rows([("squad11", record) for record in RECORDS[:8]])
    path.with_suffix(".development.json").write_text(json.dumps(rows))
    return path


@pytest.fixture(scope="module")
def questions(data):
    read = Questions(data)
    read.near = nearest_passages(read, CPU)
    return read


def tokens(text: str) -> list[int]:
    return wordpieces([text])[0].ids


def split(window: list[int]) -> list[list[int]]:
    """The question and the pieces of a window."""
    cuts = [i for i, token in enumerate(window) if token in (START, SEPARATOR)]
    return [window[first + 1 : last] for first, last in pairwise(cuts)]


def test_packed_questions_are_read_as_they_were(questions):
    assert questions.sources == ["squad11", "stories", "filler"]
    for example, record in enumerate(RECORDS[:8]):
        source, passage, kind = questions.rows[example].tolist()
        ids = questions.passage(passage).tolist()
        assert source == 0 and kind == {6: Kind.NOTHING, 7: Kind.YES}.get(example, Kind.SPAN)
        assert ids == tokens(record["context"])[:1600]
        assert questions.question(example).tolist() == tokens(record["question"])
        answers = record["answers"] if kind == Kind.SPAN else []
        assert [ids[first : last + 1] for first, last in questions.spans.get(example, [])] == [tokens(answer) for answer in answers]
    assert questions.rows[6, 1] == questions.rows[0, 1]  # the same passage, once
    assert questions.passage(int(questions.filler[0])).tolist() == tokens(FILLER[0]["context"])


def test_a_round_takes_each_source_in_its_share(questions):
    chosen = questions.round(random.Random(0))
    assert [sum(int(questions.rows[e, 0]) == source for e in chosen) for source in range(3)] == [8 + 4, 9, 0]  # of 1.6, 0.9 and 0


def test_nearest_passages_share_rare_words_with_the_question(questions):
    assert questions.near.dtype == np.int32
    assert questions.near[:6, 0].tolist() == questions.rows[:6, 1].tolist()


@pytest.mark.parametrize("example", range(8))
def test_groups_hold_the_answers_at_their_spans(questions, example):
    record = RECORDS[example]
    ids = tokens(record["question"])
    pieces, kinds = set(), set()
    for seed in range(60):
        group = make_group(questions, example, random.Random(seed))
        kinds.add(group.kind)
        pieces.add(sum(w.count(SEPARATOR) - 1 for w in group.windows))
        assert all(w[: len(ids) + 2] == [START, *ids, SEPARATOR] and w[-1] == SEPARATOR for w in group.windows)
        assert group.longest <= WINDOW
        assert bool(group.spans) == (group.kind == Kind.SPAN)
        for window, first, last in group.spans:
            assert group.windows[window][first : last + 1] in [tokens(answer) for answer in record["answers"]]
        if group.kind == Kind.NOTHING and example != 6:  # then no window has the answer
            text = [" ".join(map(str, w[len(ids) + 2 :])) for w in group.windows]
            assert not any(" ".join(map(str, tokens(answer))) in t for t in text for answer in record["answers"])
    assert kinds == {6: {Kind.NOTHING}, 7: {Kind.YES}}.get(example, {Kind.SPAN, Kind.NOTHING})
    assert min(pieces) == 1 < 3 <= max(pieces)


def test_stories_keep_the_order_of_their_facts(questions):
    others = set()
    for example, story in zip(questions.by_source["stories"], STORIES, strict=True):
        facts = [encoding.ids for encoding in wordpieces(story.facts)]
        group = make_group(questions, example, random.Random(example))
        (window,) = group.windows
        assert len(window) <= reader_windows.STORY_WINDOW
        question, *pieces = split(window)
        assert question == tokens(story.question)
        last = next(i for i, piece in reversed(list(enumerate(pieces))) if piece[: len(facts[-1])] == facts[-1])
        assert [piece for piece in pieces[:last] if piece in facts] == facts[:-1]
        others.add(len(pieces) - len(facts))
        assert group.spans and all(window[first : last + 1] == tokens(story.answer) for _, first, last in group.spans)
    assert len(others) > 2  # sentences of other texts stand between them, now more, now fewer


def test_long_stories_and_those_without_an_answer_are_left_out():
    packer = Packer()
    long = Story(["Mary went to the kitchen."] * 100, "Where is Mary?", "kitchen", [99])
    silent = Story(["Mary went to the kitchen."], "Where is Mary?", "garden", [0])
    packer.add_stories("stories", [long, silent])
    assert packer.rows == [] and packer.passages == []


def test_batches_have_groups_of_like_length(questions):
    groups = [make_group(questions, e, random.Random(e)) for e in questions.round(random.Random(0))]
    made = batches(groups, 1_500, random.Random(0))
    assert len(made) > 2
    assert sum(len(b.kinds) for b in made) == len(groups)
    for batch in made:
        assert (batch.ids.shape[1] + 4) % 32 == 0
        assert len(batch.owner) == len(batch.ids) and batch.owner.unique().tolist() == list(range(len(batch.kinds)))
        assert all(batch.owner[window] == question for question, window, _, _ in batch.spans.tolist())


def window(*pieces: list[int]) -> list[int]:
    return [START, *(token for piece in pieces for token in (*piece, SEPARATOR))]


GROUPS = [
    Group([window([110, 111], [120, 121, 122], [123]), window([110, 111], [124, 125])], [(0, 5, 6), (1, 4, 4)], Kind.SPAN, False),
    Group([window([112], [126, 127])], [], Kind.NOTHING, False),
    Group([window([113], [128]), window([113], [129, 130, 131])], [], Kind.YES, False),
    Group([window([114], [132, 133])], [], Kind.NO, False),
    Group([window([115], [134, 135])], [(0, 3, 4)], Kind.SPAN, True),
]


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = ReaderNetwork(TINY)
    torch.nn.init.normal_(made.persistent)
    return made


@torch.no_grad()
def plain_loss(network: ReaderNetwork, group: Group) -> float:
    """One question's loss, span by span."""
    total, right = 1.0, 1.0 if group.kind == Kind.NOTHING else 0.0  # nothing
    for number, ids in enumerate(group.windows):
        pairs, special = (scores[0] for scores in network(torch.tensor([ids])))
        question = ids.index(SEPARATOR)
        for first in range(question + 1, len(ids)):
            for last in range(first, len(ids)):
                if SEPARATOR not in ids[first : last + 1]:
                    weight = math.exp(pairs[first, last] - special[NOTHING])
                    total += weight
                    right += weight * ((number, first, last) in group.spans)
        for column, kind in enumerate((Kind.YES, Kind.NO), YES):
            weight = math.exp(special[column] - special[NOTHING])
            total += weight
            right += weight * (group.kind == kind)
    return math.log(total) - math.log(right)


def test_the_loss_is_that_of_one_softmax_over_all_spans(network):
    loss, losses = reading_loss(network, collate(GROUPS), truncate=False)
    expected = [plain_loss(network, group) for group in GROUPS]
    assert losses.tolist() == pytest.approx(expected, rel=1e-4)
    assert loss.item() == pytest.approx(sum(expected) / len(expected), rel=1e-4)


def test_grouped_logsumexp_is_that_of_each_group():
    values, owner = torch.tensor([1.0, 2.0, -3.0, 80.0]), torch.tensor([2, 0, 2, 0])
    sums = grouped_logsumexp(values, owner, 3)
    assert sums[[0, 2]].tolist() == pytest.approx([values[[1, 3]].logsumexp(0).item(), values[[0, 2]].logsumexp(0).item()])
    assert sums[1] < -1e8


def test_absurd_noisy_questions_are_left_out_of_the_loss(network):
    torch.nn.init.constant_(network.span.bias, -20.0)  # spans are unlikely
    whole, losses = reading_loss(network, collate(GROUPS), truncate=False)
    truncated, same = reading_loss(network, collate(GROUPS), truncate=True)
    assert losses[0] > ABSURD and losses[4] > ABSURD and torch.equal(losses, same)
    assert whole.item() == pytest.approx(losses.mean().item())
    assert truncated.item() == pytest.approx(losses[:4].sum().item() / 5)
    torch.nn.init.constant_(network.span.bias, 0.0)
    (whole, losses), (truncated, _) = (reading_loss(network, collate(GROUPS), truncate) for truncate in (False, True))
    assert losses[4] < ABSURD and truncated == whole


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_the_loss_of_a_batch_falls(network, precision):
    network.relative.requires_grad_(False)
    masters, batch = Masters(network.to(precision), 2e-3), collate(GROUPS)
    losses = []
    for _ in range(12):
        loss, _ = reading_loss(network, batch, truncate=False)
        loss.backward()
        masters.step(2e-3)
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_masters_of_a_bfloat16_network_move_by_less_than_it_can(network):
    network.relative.requires_grad_(False)
    network.to(torch.bfloat16)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    masters = Masters(network, 1e-6)
    reading_loss(network, collate(GROUPS), truncate=False)[0].backward()
    masters.step(1e-6)
    full = masters.full.state_dict()
    weight = "blocks.0.up.weight"
    assert (network.state_dict()[weight] == before[weight]).float().mean() > 0.9  # too small a step for bfloat16
    assert (full[weight] != before[weight].float()).float().mean() > 0.9
    assert torch.equal(full["relative.weight"], before["relative.weight"].float())
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == torch.bfloat16 and full[name].dtype == torch.float32
        assert torch.equal(full[name].bfloat16(), tensor)
    assert all(p.grad is None for p in network.parameters())


def test_heads_learn_faster_than_the_encoder(network):
    network.relative.requires_grad_(False)
    encoder, heads = Masters(network, 1e-3).optimiser.param_groups
    assert len(heads["params"]) == 1 + 4 * 2 and heads["factor"] == 8 * encoder["factor"]
    assert len(encoder["params"]) + len(heads["params"]) == len(list(network.parameters())) - 1  # not the relative positions


class Pointer:
    """Stands in for a network: best are the spans from the token ``first`` to ``last``; nothing, yes and no score as given."""

    device = CPU

    def __init__(self, first: int, last: int, special: tuple[float, float, float]):
        self.first, self.last, self.special = first, last, special

    def __call__(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = (ids == self.first).float()[:, :, None] + (ids == self.last).float()[:, None, :]
        return pairs.masked_fill((ids == PAD)[:, :, None], 9.0), torch.tensor([self.special] * len(ids))


@pytest.mark.parametrize(
    ("last", "special", "expected"),
    [
        ("holm", (0.0, -1.0, -2.0), {"em": 1.0, "f1": 1.0, "answered_f1": 1.0, "refused": 0.0, "yes_no": 1.0}),
        ("holm", (3.0, -2.0, -1.0), {"em": 1.0, "f1": 1.0, "answered_f1": 0.0, "refused": 1.0, "yes_no": 0.0}),
        ("ida", (0.0, 5.0, -1.0), {"em": 0.0, "f1": 0.6667, "answered_f1": 0.6667, "refused": 0.0, "yes_no": 1.0}),
    ],
    ids=["right", "refuses", "half"],
)
def test_scores_of_a_case_made_by_hand(last, special, expected):
    rows = development_rows([("made", RECORDS[0]), ("made", RECORDS[6]), ("made", {**RECORDS[7], "answers": ["yes"]})])
    pointer = Pointer(tokens("ida")[0], tokens(last)[-1], special)
    assert evaluate(pointer, rows) == {"made": pytest.approx(expected)}


def settings_of(data, folder, **changed) -> Settings:
    usual = {"start": None, "checkpoint": folder / "run" / "reader.pt", "minutes": 0.01, "rate": 1e-3, "device": CPU, "tokens": 2_000}
    return Settings(**{"data": data, "workers": 0, "config": SMALL, **usual, **changed})


def test_a_run_resumes_from_its_checkpoint_and_others_start_from_it(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reader_windows, "CHUNK", 8)
    settings = settings_of(data, tmp_path)
    train(settings)
    assert "f1" in json.loads(capsys.readouterr().out.splitlines()[-1])["squad11"]
    resumed = Trainer(settings)
    assert resumed.step > 0 and 0 < resumed.seconds < 0.6
    saved = {name: tensor.clone() for name, tensor in resumed.network.state_dict().items()}
    step = resumed.step
    train(replace(settings, minutes=0.015))
    longer = Trainer(settings)
    assert longer.step > step and longer.seconds > resumed.seconds
    assert not torch.equal(longer.network.state_dict()["embedding.weight"], saved["embedding.weight"])
    other = Trainer(settings_of(data, tmp_path, checkpoint=tmp_path / "other.pt", start=settings.checkpoint))
    assert other.step == 0
    assert all(torch.equal(tensor, longer.network.state_dict()[name]) for name, tensor in other.network.state_dict().items())

    out = tmp_path / "reader.safetensors"
    scores = export_reader(settings.checkpoint, out, json.loads(data.with_suffix(".development.json").read_text()), CPU)
    assert set(scores) == {"float32", "six bits"}
    written = unpack_state(load_file(out))
    for name, tensor in longer.network.state_dict().items():
        assert (written[name] - tensor).abs().max() <= tensor.abs().max() / 20


def test_training_starts_from_mpnet_weights(tmp_path):
    config = TINY
    d, generator = config.width, torch.Generator().manual_seed(1)

    def random_tensor(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    source = {
        "embeddings.word_embeddings.weight": random_tensor(config.vocabulary + 5, d),
        "embeddings.position_embeddings.weight": random_tensor(config.positions + 2, d),
        "encoder.relative_attention_bias.weight": random_tensor(config.buckets, config.heads),
    }
    shapes = {f"attention.attn.{x}": (d, d) for x in "qkvo"} | {"attention.LayerNorm": (d,), "output.LayerNorm": (d,)}
    shapes |= {"intermediate.dense": (config.feedforward, d), "output.dense": (d, config.feedforward)}
    for name, shape in {"embeddings.LayerNorm": (d,), **{f"encoder.layer.0.{name}": shape for name, shape in shapes.items()}}.items():
        source |= {f"{name}.weight": random_tensor(*shape), f"{name}.bias": random_tensor(shape[0])}
    save_file(source, tmp_path / "model.safetensors")
    state = start_reader(tmp_path / "model.safetensors", config).state_dict()
    words, positions = source["embeddings.word_embeddings.weight"], source["embeddings.position_embeddings.weight"]
    assert torch.equal(state["embedding.weight"][[START, PAD, SEPARATOR, 120]], words[[0, 1, 2, 124]])
    assert torch.equal(state["position.weight"], positions[2:])
    assert torch.equal(state["blocks.0.qkv.weight"][d : 2 * d], source["encoder.layer.0.attention.attn.k.weight"])
    assert torch.equal(state["blocks.0.down.bias"], source["encoder.layer.0.output.dense.bias"])
    assert torch.allclose(state["persistent"], words[0] + positions[2], atol=0.2)
    assert not torch.equal(state["persistent"][0], state["persistent"][1])
    assert state["span.weight"].abs().max() < 0.2 and not state["span.bias"].any()
