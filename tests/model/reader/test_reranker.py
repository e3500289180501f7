"""The encoder as a small reader that ranks windows."""

import torch

from model import Encoder, EncoderConfig, load_encoder
from model.bert import PAD, SEPARATOR, START, wordpieces
from model.reader.network import NO
from model.reader.reranker import rank_windows, start_and_end


def tiny() -> Encoder:
    torch.manual_seed(0)
    return Encoder(EncoderConfig(vocabulary=200, width=16, layers=2, heads=2, feedforward=32, positions=64, persistent=4)).eval()


def test_padding_changes_no_score():
    network = tiny()
    ids = torch.tensor([[START, 5, 6, SEPARATOR, 7, SEPARATOR]])
    kinds = torch.tensor([[0, 0, 0, 0, 1, 1]])
    alone = start_and_end(network, ids, kinds)
    padded = start_and_end(
        network, torch.cat([ids, torch.full((1, 9), PAD)], 1), torch.cat([kinds, torch.zeros(1, 9, dtype=torch.long)], 1)
    )
    for a, b in zip(alone, padded, strict=True):
        torch.testing.assert_close(a, b[:, : a.shape[1]])
        assert (b[:, a.shape[1] :] == -torch.inf).all()


def test_only_recited_tokens_and_three_persistent_ones_can_be_answers():
    network = tiny()
    start, _ = start_and_end(
        network, torch.tensor([[START, 5, SEPARATOR, 6, SEPARATOR, 7, SEPARATOR]]), torch.tensor([[0, 0, 0, 0, 0, 1, 1]])
    )
    count = network.config.persistent
    assert (start[0] > -torch.inf).nonzero().flatten().tolist() == [*range(NO + 1), count + 1, count + 3]


def test_every_parameter_learns():
    encoder = tiny().train()
    ids, kinds = torch.tensor([[START, 5, 6, SEPARATOR, 7, SEPARATOR]]), torch.tensor([[0, 0, 0, 0, 1, 1]])
    start, end = start_and_end(encoder, ids, kinds)
    vectors = encoder.sentence_vectors(ids, kinds, 2)
    (start[0, 5] + end[0, 6] + vectors[0, 0]).backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_the_window_with_the_answer_ranks_first():
    encoder = load_encoder(torch.device("cpu"))
    texts = ["Cotton grows in a boll around the seeds.", "The tower was finished in 1889 by Eiffel.", "Rain fell on the town."]
    question, *windows = [encoding.ids for encoding in wordpieces(["When was the tower finished?", *texts])]
    scores = rank_windows(encoder, question, [[window] for window in windows])
    assert max(range(3), key=scores.__getitem__) == 1
