"""Retrieval: meaning and words, copies, and sentences like one that was found."""

import numpy as np
import pytest
import torch

from model import encode_question, encode_sentences, load_encoder, retrieve, score_sentences, score_similar
from model.recall.vectors import Question, SentenceVectors
from model.recall.word_filter import contains, content_words, word_filters

SENTENCES = [
    "Uranium is a weakly radioactive metal.",
    "Cotton is a soft fibre that grows in a boll.",
    "The tortoise won the race.",
    "The access code of the north gate is 7c3b-11.",
    "The access code of the south gate is 90fa-42.",
]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(torch.device("cpu"))


@pytest.fixture(scope="module")
def vectors(encoder):
    return encode_sentences(encoder, SENTENCES, range(len(SENTENCES)))


@pytest.mark.parametrize(
    ("question", "right"),
    [("Who won the race?", 2), ("Which metal is radioactive?", 0), ("Where does cotton grow?", 1), ("What is 90fa-42 for?", 4)],
)
def test_a_question_retrieves_the_sentence_that_speaks_of_it(encoder, vectors, question, right):
    hits = retrieve(score_sentences(encode_question(encoder, question), vectors), vectors, np.arange(5), 2)
    assert hits[0].sentence == right
    assert len(hits) == 2 and hits[0].score > hits[1].score


def test_sentences_alike_score_high(vectors):
    alike = score_similar([3], vectors)
    assert alike[3] == pytest.approx(1, abs=0.02)
    assert alike.argsort()[-2] == 4


def test_nothing_is_retrieved_where_nothing_is():
    empty = SentenceVectors(np.zeros((0, 4), np.int8), np.zeros(0, np.float16), np.zeros((0, 7), np.uint64))
    assert retrieve(score_sentences(Question(torch.zeros(4), ("word",)), empty), empty, np.zeros(0, np.int32), 3) == []


def test_a_question_without_words_fits_nothing_more_than_another(encoder, vectors):
    assert np.isfinite(score_sentences(encode_question(encoder, "?"), vectors)).all()
    assert np.isfinite(score_sentences(encode_question(encoder, ""), vectors)).all()


def test_copies_are_passed_over_but_not_the_same_words_in_another_place(encoder):
    passage = ["The mill stands by the river.", "Anna Berg built the mill in 1702.", "It burned down twice."]
    sentences = [*passage, "The sea was calm.", *passage, "Nobody came.", "A ship left.", "Anna Berg built the mill in 1702.", "Rain fell."]
    vectors = encode_sentences(encoder, sentences, [0] * len(sentences))
    hits = retrieve(score_sentences(encode_question(encoder, "Who built the mill?"), vectors), vectors, np.arange(len(sentences)), 11)
    chosen = [w.sentence for w in hits]
    assert len(chosen) == 8
    assert len({1, 5} & set(chosen)) == 1 and 9 in chosen


def test_what_stands_in_every_document_does_not_crowd_answers(encoder):
    licence = "This file may be copied, changed and distributed freely by Anna Berg, provided that notices of copyright remain."
    sentences = [part for number in range(9) for part in (f"Chapter {number} speaks of mill number {number}.", licence)]
    vectors = encode_sentences(encoder, sentences, range(len(sentences)))
    hits = retrieve(
        score_sentences(encode_question(encoder, "May the file by Anna Berg be copied?"), vectors), vectors, np.arange(len(sentences)), 6
    )
    chosen = [sentences[w.sentence] for w in hits]
    assert chosen.count(licence) == 2 and chosen[0] == licence and len(chosen) == 6


def test_no_more_memories_than_asked_for_and_none_below_the_least(encoder, vectors):
    owners = np.array([0, 0, 1, 1, 2])
    scores = np.array([0.1, 0.9, 0.8, 0.7, 0.95], np.float32)
    assert [w.sentence for w in retrieve(scores, vectors, owners, 2)] == [4, 1, 0]
    assert [w.sentence for w in retrieve(scores, vectors, owners, 3, least=0.75)] == [4, 1, 2]


def test_filters_hold_their_words_and_hardly_others():
    texts = [f"The part {number} of machine x{number * 7}-b was sold to buyer{number} in Bremen" for number in range(3_000)]
    filters = word_filters(texts)
    assert all(contains(filters[i : i + 1], word).all() for i in range(0, 3_000, 100) for word in content_words(texts[i]))
    assert np.mean([contains(filters, f"absent{i}").mean() for i in range(200)]) < 1e-3
    assert contains(filters, "bremen").all()


def test_words_are_stemmed_and_function_words_left_out():
    assert content_words("The cities of the Jones' boxes, and a 7c3B-11 ID") == ["city", "jone", "boxe", "7c3b", "11", "id"]
    assert content_words("ﬁnal Café") == ["final", "cafe"]
    assert word_filters(["the of and", ""]).tolist() == [[0] * 7] * 2
