"""The reader's loss against a plain one, its masters, and the weights that its training starts from."""

import math

import pytest
import torch
from safetensors.torch import save_file

from model.bert import PAD, SEPARATOR, START
from model.reader.network import NOTHING, YES, ReaderConfig, ReaderNetwork
from model.training.reader import Masters
from model.training.reader_data import Kind
from model.training.reader_losses import ABSURD, grouped_logsumexp, reading_loss
from model.training.reader_start import start_reader
from model.training.reader_windows import Group, collate

TINY = ReaderConfig(vocabulary=150, positions=40, width=64, layers=1, heads=2, feedforward=64, pairing=8)


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
