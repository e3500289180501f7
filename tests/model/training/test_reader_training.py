"""Training of the reader: packed questions, windows, scores, and a short run."""

import json
import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from model.bert import PAD, SEPARATOR, START, wordpieces
from model.reader.network import ReaderConfig
from model.reader.quantization import unpack_state
from model.reader.windows import WINDOW
from model.training import reader_windows
from model.training.invented import Story, invent_story
from model.training.reader import Settings, Trainer, train
from model.training.reader_data import Kind, Packer, development_rows
from model.training.reader_evaluation import evaluate
from model.training.reader_export import export_reader
from model.training.reader_questions import Questions, nearest_passages
from model.training.reader_windows import batches, make_group

# w window · t token

SMALL = ReaderConfig(width=64, layers=1, heads=2, feedforward=64, pairing=8)
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
