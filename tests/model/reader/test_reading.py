"""Reading with the shipped weights: answers, windows, and what they must not depend on."""

from contextlib import nullcontext

import pytest
import torch

from model import Encoder, EncoderConfig, Passage, Reader, Reading, load_encoder, read_answers
from model.bert import PAD, SEPARATOR, START, wordpieces
from model.reader.network import NO, start_and_end
from model.reader.spans import whole_words
from model.reader.windows import arrange, gather, pieces


@pytest.fixture(scope="module")
def reader():
    return Reader(load_encoder(torch.device("cpu")))


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


def test_scores_are_those_of_the_window_piece_by_piece(monkeypatch):
    monkeypatch.setattr("model.reader.reader.reduced_precision", lambda device: nullcontext())
    network = tiny()
    question, windows = [9, 8], [[[5, 6, 7], [11]], [[12, 13]]]
    short, long = torch.tensor([[START, 12, 13, SEPARATOR, 9, 8, SEPARATOR]]), [START, 5, 6, 7, SEPARATOR, 11, SEPARATOR, 9, 8, SEPARATOR]
    first, second = Reader(network).score(question, windows)
    start, end = (x[0] for x in start_and_end(network, torch.tensor([long]), torch.tensor([[0] * 7 + [1] * 3])))
    shift = network.config.persistent
    torch.testing.assert_close(first.special, start[:3] + end[:3])
    assert [tuple(spans.shape) for spans in (*first.spans, *second.spans)] == [(3, 3), (1, 1), (2, 2)]
    torch.testing.assert_close(first.spans[0], start[shift + 1 : shift + 4, None] + end[None, shift + 1 : shift + 4])
    torch.testing.assert_close(first.spans[1], (start + end)[shift + 5].view(1, 1))
    start, end = (x[0] for x in start_and_end(network, short, torch.tensor([[0] * 4 + [1] * 3])))
    torch.testing.assert_close(second.spans[0][0, 1], start[shift + 1] + end[shift + 2])


def test_every_parameter_learns():
    encoder = tiny().train()
    ids, kinds = torch.tensor([[START, 5, 6, SEPARATOR, 7, SEPARATOR]]), torch.tensor([[0, 0, 0, 0, 1, 1]])
    start, end = start_and_end(encoder, ids, kinds)
    vectors = encoder.sentence_vectors(ids, kinds, 2)
    (start[0, 5] + end[0, 6] + vectors[0, 0]).backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_an_answer_is_read_and_located(reader):
    text = "The Eiffel Tower was built by Gustave Eiffel. It was finished in 1889 and stands in Paris."
    filler = Passage("Cotton is a soft, fluffy staple fibre that grows in a boll around the seeds of the plants.", 9, 0.1)
    reading = read_answers(reader, "When was the Eiffel Tower finished?", [filler, Passage(text, 3, 0.9)])[0]
    assert reading.passage == 1
    assert "1889" in text[reading.start : reading.end]
    assert 0 < reading.confidence <= 1


def test_the_same_words_in_two_passages_are_one_answer(reader):
    text = "The Eiffel Tower was finished in 1889."
    once, twice = (read_answers(reader, "When was the Eiffel Tower finished?", [Passage(text, i, 0.9) for i in range(n)]) for n in (1, 2))
    assert len({text[r.start : r.end] for r in twice if r.kind is None and text[r.start : r.end] == "1889"}) == 1
    assert twice[0].confidence > once[0].confidence
    assert sum(reading.confidence for reading in twice) <= 1 + 1e-4


def test_an_answer_in_a_sentence_that_fits_better_is_likelier(reader):
    text = "The key of Mulder is 4711. The key of Becker is 8822. "
    ends = [text.index("4711") + 5, len(text)]
    said = []
    for fits in ((1.2, 0.2), (0.2, 1.2)):
        reading = read_answers(reader, "What is the key?", [Passage(text, 0, 1.2, tuple(zip(ends, fits, strict=True)))])[0]
        said.append(text[reading.start : reading.end])
    assert "4711" in said[0] and "8822" in said[1]


def test_single_sentences_are_read_together_in_their_order(reader):
    facts = ["Mary moved to the garden.", "John went to the office.", "Mary moved to the kitchen."]
    reading = read_answers(reader, "Where is John?", [], [Passage(fact, i, 0.5) for i, fact in enumerate(facts)])[0]
    assert reading.passage == 1 and "office" in facts[1][reading.start : reading.end]
    window = gather(reader, [Passage(fact, 9 - i, i) for i, fact in enumerate(facts)], 5, 20, 0.0)
    assert [piece.passage for piece in window] == [7, 6]  # the best two, for which there is room, in the order of the stream


def test_no_passage_or_no_question_gives_no_reading(reader):
    assert read_answers(reader, "Who?", []) == []
    assert read_answers(reader, "", [Passage("Some text.", 0, 1.0)]) == []


def test_windows_cover_long_passages_with_overlap_and_keep_the_stream_order(reader):
    passages = [Passage("word " * 500, 7, 0.5), Passage("late", 9, 0.9), Passage("early", 1, 0.8)]
    cut = [p for p in pieces(reader, passages, 100, 0.9) if p.passage == 0]
    assert {offset for piece in cut for offset in piece.offsets} == set(wordpieces([passages[0].text])[0].offsets)
    windows = arrange(reader, passages, 101)
    assert [p.passage for p in windows[0]] == [2, 1]
    assert all(sum(len(p.ids) + 1 for p in window) <= 101 for window in windows)


def test_an_answer_never_cuts_a_word():
    text = "Its key is dd933160-62cec7b3, said Zoë's son. 東京は日本の首都です"

    def widened(said):
        reading = whole_words(text, Reading(0, text.index(said), text.index(said) + len(said), None, 1.0, 0.5))
        return text[reading.start : reading.end]

    assert widened("933160-62cec") == "dd933160-62cec7b3"
    assert widened("dd933160") == "dd933160"
    assert widened("Zo") == "Zoë"
    assert widened(" is ") == " is "
    assert widened("東京") == "東京"
