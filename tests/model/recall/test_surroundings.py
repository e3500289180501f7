"""What stands around a sentence counts: its memory, its neighbours, its document's name; and words in another spelling."""

import numpy as np
import pytest
import torch

from model import Surroundings, correct_spelling, score_sentences
from model.recall.spelling import corrections, joined, split
from model.recall.vectors import Question, SentenceVectors
from model.recall.word_filter import by_chance, word_filters

FILLER = [f"Nothing of note {chr(97 + i) * 3} took place." for i in range(12)]


def memory_of(texts, vectors=None):
    """Sentences whose vectors say nothing, unless they are given."""
    vectors = np.zeros((len(texts), 4)) if vectors is None else np.array(vectors)
    return SentenceVectors((vectors * 127).astype(np.int8), np.full(len(texts), 1 / 127, np.float16), word_filters(texts))


def question(*words, vector=(0.0, 0.0, 0.0, 0.0)):
    return Question(torch.tensor(vector), words)


def alone(count):
    """Each sentence is a memory and a document of its own."""
    return Surroundings.of(np.arange(count), np.arange(count + 1), [""] * count)


def together(*memories, documents=None, names=None):
    """Memories of so many sentences each; all of one document, or ``documents`` of so many memories each."""
    owners = np.repeat(np.arange(len(memories)), memories)
    starts = np.cumsum([0, *(documents or [len(memories)])])
    return Surroundings.of(owners, starts, names or [""] * (len(starts) - 1))


def test_words_spread_over_neighbours_beat_one_word_in_a_stray_sentence():
    texts = ["Harrow bridge was opened in May.", "Its mason was Anna Berg.", *FILLER, "A mason came by."]
    surroundings = together(2, *[1] * 12, 1, documents=[1, 12, 1])
    scores = score_sentences(question("mason", "harrow", "bridge"), memory_of(texts), surroundings)
    assert set(scores.argsort()[-2:]) == {0, 1}
    without = score_sentences(question("mason", "harrow", "bridge"), memory_of(texts))
    assert without[1] == pytest.approx(without[-1])  # sentence by sentence the two masons are alike


def test_a_word_in_the_sentence_counts_more_than_one_beside_it():
    texts = ["The code is 5512.", "It is kept in the drawer.", *FILLER]
    scores = score_sentences(question("code"), memory_of(texts), together(2, *[1] * 12, documents=[1, 12]))
    assert scores[0] == pytest.approx(0.5)
    assert 0 < scores[1] < scores[0] and not scores[2:].any()


def test_the_sentence_beside_counts_across_memories_but_not_across_documents():
    texts = ["Kitchen", "The lamp is green.", "The lamp is red.", *FILLER]
    beside = score_sentences(question("kitchen"), memory_of(texts), together(1, 1, 1, *[1] * 12))
    assert beside[1] > 0 == beside[2]
    apart = score_sentences(question("kitchen"), memory_of(texts), together(1, 1, 1, *[1] * 12, documents=[1, 14]))
    assert apart[1] == 0


def test_the_name_of_a_document_counts():
    texts = ["It was filmed in Sparta.", "It was filmed in Corinth.", *FILLER]
    names = ["films/beauty_and_the_beast.txt", "films/ivanhoe.txt", "other.txt"]
    scores = score_sentences(question("filmed", "beast"), memory_of(texts), together(1, 1, *[1] * 12, documents=[1, 1, 12], names=names))
    assert scores.argmax() == 0 and scores[0] > scores[1] > 0


def test_the_meaning_of_a_memory_counts():
    vectors = [[1, 0, 0, 0], [0.6, 0.8, 0, 0], [0.6, 0, 0.8, 0], [0, 0, 0, 1]]
    scores = score_sentences(question(vector=(1.0, 0, 0, 0)), memory_of(["", "", "", ""], vectors), together(2, 2, documents=[2]))
    assert scores.argsort().tolist() == [3, 2, 1, 0]


def test_a_memory_of_one_sentence_has_that_sentence_s_cosine():
    vectors = np.eye(4)
    texts = ["", "", "", ""]
    asked = question(vector=(0.6, 0.8, 0.0, 0.0))
    assert score_sentences(asked, memory_of(texts, vectors), alone(4)) == pytest.approx(score_sentences(asked, memory_of(texts, vectors)))


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (("hospitol",), "The hospital is on the hill."),
        (("mountian",), "The mountain is steep."),
        (("strret",), "The street is closed."),
        (("superbowl",), "The super bowl was won."),
        (("e", "mail"), "Write an email."),
        (("email",), "Write an e-mail."),
        (("wifi",), "The Wi-Fi is down."),
    ],
)
def test_a_word_is_found_in_another_spelling(asked, text):
    texts = [*FILLER, text]
    scores = score_sentences(question(*asked), memory_of(texts))
    assert scores.argmax() == len(texts) - 1 and 0 < scores.max() < 0.5


def test_the_spelling_of_the_question_counts_most():
    texts = [*FILLER, "The hospitol band plays.", "The hospital is on the hill."]
    scores = score_sentences(question("hospitol"), memory_of(texts))
    assert scores.argsort()[-2:].tolist() == [len(texts) - 1, len(texts) - 2] and scores.max() == pytest.approx(0.5)


def test_corrections_are_known_words_one_step_away():
    assert corrections("strret") == ("street",)
    assert "hospital" in corrections("hospitl") and "hospital" in corrections("hopsital") and "hospital" in corrections("hosppital")
    assert corrections("hospital") == corrections("tha") == corrections("x9k42") == corrections("hsptl") == ()


def test_words_are_joined_and_split():
    assert joined(("wi", "fi"), 0) == joined(("wi", "fi"), 1) == ["wifi"]
    assert joined(("red", "lamp"), 0) == joined(("lamp",), 0) == []
    assert ("super", "bowl") in split("superbowl") and split("lamp") == []


def test_few_filters_hold_a_word_by_chance_and_full_ones_more():
    short, long = word_filters(["one two three"] * 100), word_filters([" ".join(map(str, range(60)))] * 100)
    assert 0 <= by_chance("word", short) < 1 < by_chance("word", long) <= 100
    assert by_chance("word", short[:0]) == 0


def test_a_question_is_corrected_to_words_that_memory_holds():
    held = memory_of([*FILLER, "The hospital is in the street."])
    assert correct_spelling("Which strret has a hospitl?", held) == "Which street has a hospital?"
    assert correct_spelling("Which strret has a hospitl?", memory_of(FILLER)) == "Which strret has a hospitl?"
    assert correct_spelling("Who wrote Zorblat 7c3b?", held) == "Who wrote Zorblat 7c3b?"


def test_the_nearer_of_the_question_as_typed_and_as_corrected_counts():
    held = memory_of(["", "", ""], [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    asked, corrected = question(vector=(0.8, 0.0, 0.6, 0.0)), question(vector=(0.0, 1.0, 0.0, 0.0))
    assert score_sentences(asked, held, corrected=corrected).tolist() == pytest.approx([0.8, 1.0, 0.6], abs=0.01)
