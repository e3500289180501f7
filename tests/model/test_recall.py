"""Waking: meaning and words, copies, and what one sentence brings to mind."""

import numpy as np
import pytest
import torch

from model import associate, encode_question, fit, load_core, select, sentence_gists
from model.recall.search import Gists, Question
from model.recall.word_filter import contains, content_words, signatures

SENTENCES = [
    "Uranium is a weakly radioactive metal.",
    "Cotton is a soft fibre that grows in a boll.",
    "The tortoise won the race.",
    "The access code of the north gate is 7c3b-11.",
    "The access code of the south gate is 90fa-42.",
]


@pytest.fixture(scope="module")
def core():
    return load_core(torch.device("cpu"))


@pytest.fixture(scope="module")
def gists(core):
    return sentence_gists(core, SENTENCES, range(len(SENTENCES)))


@pytest.mark.parametrize(
    ("question", "right"),
    [("Who won the race?", 2), ("Which metal is radioactive?", 0), ("Where does cotton grow?", 1), ("What is 90fa-42 for?", 4)],
)
def test_a_question_wakes_the_sentence_that_speaks_of_it(core, gists, question, right):
    woken = select(fit(encode_question(core, question), gists), gists, np.arange(5), 2)
    assert woken[0].sentence == right
    assert len(woken) == 2 and woken[0].score > woken[1].score


def test_one_sentence_brings_like_ones_to_mind(gists):
    alike = associate([3], gists)
    assert alike[3] == pytest.approx(1, abs=0.02)
    assert alike.argsort()[-2] == 4


def test_nothing_is_woken_where_nothing_is():
    empty = Gists(np.zeros((0, 4), np.int8), np.zeros(0, np.float16), np.zeros((0, 7), np.uint64))
    assert select(fit(Question(torch.zeros(4), ("word",)), empty), empty, np.zeros(0, np.int32), 3) == []


def test_a_question_without_words_fits_nothing_more_than_another(core, gists):
    assert np.isfinite(fit(encode_question(core, "?"), gists)).all()
    assert np.isfinite(fit(encode_question(core, ""), gists)).all()


def test_copies_are_passed_over_but_not_the_same_words_in_another_place(core):
    passage = ["The mill stands by the river.", "Anna Berg built the mill in 1702.", "It burned down twice."]
    sentences = [*passage, "The sea was calm.", *passage, "Nobody came.", "A ship left.", "Anna Berg built the mill in 1702.", "Rain fell."]
    gists = sentence_gists(core, sentences, [0] * len(sentences))
    woken = select(fit(encode_question(core, "Who built the mill?"), gists), gists, np.arange(len(sentences)), 11)
    chosen = [w.sentence for w in woken]
    assert len(chosen) == 8
    assert len({1, 5} & set(chosen)) == 1 and 9 in chosen


def test_what_stands_in_every_document_does_not_crowd_answers(core):
    licence = "This file may be copied, changed and distributed freely by Anna Berg, provided that notices of copyright remain."
    sentences = [part for number in range(9) for part in (f"Chapter {number} speaks of mill number {number}.", licence)]
    gists = sentence_gists(core, sentences, range(len(sentences)))
    woken = select(fit(encode_question(core, "May the file by Anna Berg be copied?"), gists), gists, np.arange(len(sentences)), 6)
    chosen = [sentences[w.sentence] for w in woken]
    assert chosen.count(licence) == 2 and chosen[0] == licence and len(chosen) == 6


def test_no_more_memories_than_asked_for_and_none_below_the_least(core, gists):
    owners = np.array([0, 0, 1, 1, 2])
    scores = np.array([0.1, 0.9, 0.8, 0.7, 0.95], np.float32)
    assert [w.sentence for w in select(scores, gists, owners, 2)] == [4, 1, 0]
    assert [w.sentence for w in select(scores, gists, owners, 3, least=0.75)] == [4, 1, 2]


def test_filters_hold_their_words_and_hardly_others():
    texts = [f"The part {number} of machine x{number * 7}-b was sold to buyer{number} in Bremen" for number in range(3_000)]
    filters = signatures(texts)
    assert all(contains(filters[i : i + 1], word).all() for i in range(0, 3_000, 100) for word in content_words(texts[i]))
    assert np.mean([contains(filters, f"absent{i}").mean() for i in range(200)]) < 1e-3
    assert contains(filters, "bremen").all()


def test_words_are_stemmed_and_function_words_left_out():
    assert content_words("The cities of the Jones' boxes, and a 7c3B-11 ID") == ["city", "jone", "boxe", "7c3b", "11", "id"]
    assert content_words("ﬁnal Café") == ["final", "cafe"]
    assert signatures(["the of and", ""]).tolist() == [[0] * 7] * 2
