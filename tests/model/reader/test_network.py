"""The reader's network: scores that padding and neighbours in a batch do not change, distances, six-bit weights."""

import math

import pytest
import torch

from model import Encoder, EncoderConfig, Reader
from model.bert import PAD, SEPARATOR, START
from model.errors import WeightsError
from model.reader.network import ReaderConfig, ReaderNetwork, distance_buckets
from model.reader.quantization import GROUP, LARGEST, pack_state, quantize, unpack_state
from model.reader.reader import load_reader

SMALL = ReaderConfig(vocabulary=200, width=64, layers=2, heads=2, feedforward=128, positions=64, pairing=64)


def tiny() -> ReaderNetwork:
    torch.manual_seed(0)
    network = ReaderNetwork(SMALL)
    torch.nn.init.normal_(network.persistent)
    return network.eval()


def test_padding_changes_no_score():
    network = tiny()
    ids = torch.tensor([[START, 7, SEPARATOR, 5, 6, SEPARATOR]])
    pairs, special = network(ids)
    wider, same = network(torch.cat([ids, torch.full((1, 9), PAD)], 1))
    torch.testing.assert_close(pairs, wider[:, :6, :6], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(special, same, atol=1e-5, rtol=1e-5)


def test_every_parameter_learns():
    network = tiny().train()
    pairs, special = network(torch.tensor([[START, 7, SEPARATOR, 5, 6, SEPARATOR]]))
    (pairs[0, 3, 4] + special.sum()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_scores_are_those_of_the_window_piece_by_piece():
    network = tiny()
    encoder = Encoder(EncoderConfig(vocabulary=200, width=16, layers=2, heads=2, feedforward=32, positions=64, persistent=4)).eval()
    question, windows = [9, 8], [[[5, 6, 7], [11]], [[12, 13]]]
    first, second = Reader(network, encoder).score(question, windows)
    pairs, special = network(torch.tensor([[START, 9, 8, SEPARATOR, 5, 6, 7, SEPARATOR, 11, SEPARATOR]]))
    assert [tuple(spans.shape) for spans in (*first.spans, *second.spans)] == [(3, 3), (1, 1), (2, 2)]
    torch.testing.assert_close(first.special, special[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(first.spans[0], pairs[0, 4:7, 4:7], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(first.spans[1], pairs[0, 8:9, 8:9], atol=1e-5, rtol=1e-5)
    pairs, _ = network(torch.tensor([[START, 9, 8, SEPARATOR, 12, 13, SEPARATOR]]))
    torch.testing.assert_close(second.spans[0], pairs[0, 4:6, 4:6], atol=1e-5, rtol=1e-5)


def test_the_windows_chosen_are_the_first_and_the_likeliest_in_their_order(monkeypatch):
    monkeypatch.setattr("model.reader.reader.rank_windows", lambda encoder, question, windows: [-5.0, -1.0, 3.0, 1.0])
    reader = Reader(tiny(), None)
    assert reader.choose([1], [[[2]]] * 4, 2) == [0, 2]
    assert reader.choose([1], [[[2]]] * 4, 3) == [0, 2, 3]
    assert reader.choose([1], [[[2]]] * 2, 3) == [0, 1]


def bucket(away: int, buckets: int = 32, distance: int = 128) -> int:
    """The bucket of one distance (query − key) as T5's paper tells it."""
    half, exact = buckets // 2, buckets // 4
    side = half if away < 0 else 0
    away = abs(away)
    if away < exact:
        return side + away
    return side + min(half - 1, exact + int(math.log(away / exact) / math.log(distance / exact) * (half - exact)))


def test_buckets_of_distances():
    table = distance_buckets(300, 32, 128)
    for query, key in ((0, 0), (5, 0), (0, 5), (8, 0), (0, 9), (40, 3), (299, 0), (0, 299), (130, 2)):
        assert int(table[query, key]) == bucket(query - key), (query, key)


def test_six_bits_keep_weights_within_half_a_step():
    torch.manual_seed(1)
    state = {"a.weight": torch.randn(96, 2 * GROUP), "norm.bias": torch.randn(7)}
    packed = pack_state(state)
    assert {name: tensor.dtype for name, tensor in packed.items()} == {
        "a.weight.low": torch.uint8, "a.weight.high": torch.uint8, "a.weight.scale": torch.float16, "norm.bias": torch.float16,
    }  # fmt: skip
    assert sum(tensor.nbytes for name, tensor in packed.items() if name.startswith("a.")) == 96 * 2 * GROUP * 6.25 / 8
    back = unpack_state(packed)
    integers, scales = quantize(state["a.weight"])
    torch.testing.assert_close(back["a.weight"], (integers.float() * scales.float()).reshape(96, -1), atol=0, rtol=0)
    inside = (state["a.weight"].reshape(-1, GROUP) / scales.float()).abs() <= LARGEST
    error = (back["a.weight"] - state["a.weight"]).reshape(-1, GROUP).abs()
    assert (error <= scales.float() * 0.5001)[inside].all()
    assert float((back["a.weight"] - state["a.weight"]).norm() / state["a.weight"].norm()) < 0.03
    torch.testing.assert_close(back["norm.bias"], state["norm.bias"].half().float(), atol=0, rtol=0)


def test_missing_weights_are_told(tmp_path):
    with pytest.raises(WeightsError, match=r"reader\.safetensors.*Install titans"):
        load_reader(torch.device("cpu"), None, tmp_path)
