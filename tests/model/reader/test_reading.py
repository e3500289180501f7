"""Reading with the shipped weights: answers, windows, and what they must not depend on."""

import pytest
import torch

from model import Passage, Reading, load_encoder, load_reader, read_answers
from model.bert import wordpieces
from model.reader.spans import whole_words
from model.reader.windows import arrange, gather, pieces


@pytest.fixture(scope="module")
def reader():
    cpu = torch.device("cpu")
    return load_reader(cpu, load_encoder(cpu))


def test_an_answer_is_read_and_located(reader):
    text = "The Eiffel Tower was built by Gustave Eiffel. It was finished in 1889 and stands in Paris."
    filler = Passage("Cotton is a soft, fluffy staple fibre that grows in a boll around the seeds of the plants.", 9, 0.1)
    reading = read_answers(reader, "When was the Eiffel Tower finished?", [filler, Passage(text, 3, 0.9)])[0]
    assert reading.passage == 1
    assert "1889" in text[reading.start : reading.end]
    assert 0 < reading.confidence <= 1


def test_the_same_words_in_two_passages_are_one_answer(reader, monkeypatch):
    text = "The Eiffel Tower was finished in 1889."
    passages = [Passage(text, i, 0.9) for i in range(2)]
    together = read_answers(reader, "When was the Eiffel Tower finished?", passages)
    assert len({text[r.start : r.end] for r in together if r.kind is None and text[r.start : r.end] == "1889"}) == 1
    assert sum(reading.confidence for reading in together) <= 1 + 1e-4
    monkeypatch.setattr("model.reader.reading.normal", lambda said: object())
    apart = [r.confidence for r in read_answers(reader, "When was the Eiffel Tower finished?", passages) if text[r.start : r.end] == "1889"]
    assert together[0].confidence == pytest.approx(sum(apart), abs=1e-4)
    assert len(apart) >= 2 and sorted(apart)[-2] > 0.01


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
    assert widened("dd933160") == "dd933160-62cec7b3"
    assert widened("Zo") == "Zoë"
    assert widened(" is ") == "is"
    assert widened("東京") == "東京"


@pytest.mark.parametrize(
    ("text", "read", "whole"),
    [
        ("use --enable-tls to", "enable-tls", "--enable-tls"),
        ("give -k --keep: keep", "k --keep", "-k --keep"),
        ("see ./run.sh now", "run", "./run.sh"),
        ("on /etc/fstab, too", "fstab", "/etc/fstab"),
        ("at 192.168.40.1.", "40.1", "192.168.40.1"),
        ("costs $145.32 GBP", "145", "$145.32"),
        ("at 12:30, go", "30", "12:30"),
        ("a well-known man", "known", "well-known"),
        ("the user's guide", "use", "user"),
        ("they didn't go", "didn", "didn't"),
        ("staff/guests net", "staff", "staff"),
        ("call f(x, y) to", "f(x, y", "f(x, y)"),
        ("type q() to quit", "q()", "q()"),
        ("said “hello there” to", "“hello", "hello"),
        ("a knot (a bowline) is", "a bowline)", "a bowline"),
        ("by Smith Inc. of", "Smith Inc.", "Smith Inc."),
        ("at 10 a.m. on", "10 a.m.", "10 a.m."),
        ("it ends here. Next", "here.", "here"),
        ("key: value, next", "value,", "value"),
        ("Four score and seven years ago", "seven", "Four score and seven"),
        ("twenty-five of one hundred and two men", "hundred", "one hundred and two"),
        ("seven men and two dogs", "seven", "seven"),
    ],
)
def test_an_answer_is_whole_and_without_stray_signs(text, read, whole):
    reading = whole_words(text, Reading(0, text.index(read), text.index(read) + len(read), None, 1.0, 0.5))
    assert text[reading.start : reading.end] == whole
