"""Questions that lean on what was said before."""

import pytest

from titans_cli.models import Models
from titans_cli.services.ask.answer import Assistant, chosen
from titans_cli.services.ask.follow_up import ask_in_conversation, readings_of
from titans_cli.services.ask.question import wanted_by
from titans_cli.services.ask.results import Answer


def said(question: str, answer: str | None) -> Answer:
    return Answer(question, answer, 0.9, (), 1)


@pytest.mark.parametrize(
    ("question", "before", "meant"),
    [
        ("When was it founded?", said("Who founded the Standard Oil Company?", "Rockefeller"), "When was Standard Oil Company founded?"),
        ("Where was he born?", said("Who founded Standard Oil?", "John Rockefeller"), "Where was John Rockefeller born?"),
        ("What is its capital?", said("Where is Poland?", "Europe"), "What is Poland's capital?"),
        ("And Paris?", said("Who is the mayor of Warsaw?", "Trzaskowski"), "Who is the mayor of Paris?"),
        ("What about the kitchen", said("Who lives in Warsaw?", None), "Who lives in the kitchen?"),
        ("And the Hare?", said("What did the Crow want?", "water"), "What did the Hare want?"),
        ("Who lives there?", said("What is the capital of Poland?", "Warsaw"), "Who lives in Warsaw?"),
    ],
)
def test_what_is_left_out_comes_from_before(question, before, meant):
    assert meant in list(readings_of(question, [before]))


@pytest.mark.parametrize("question", ["When did Henry die?", "How many members has the senate?", "", "?"])
def test_a_question_that_stands_alone_is_not_touched(question):
    assert list(readings_of(question, [said("Who founded Standard Oil?", "Rockefeller")])) == []


def test_a_question_with_a_name_of_its_own_may_stand_alone():
    first, *_ = readings_of("Who was it that Henry met?", [said("Who founded Standard Oil?", "Rockefeller")])
    assert first == "Who was it that Henry met?"


def test_a_person_is_first_of_all_who_was_answered():
    earlier = [said("Who translated Aesop's Fables?", "George Townsend")]
    assert next(readings_of("When did he translate them?", earlier)) == "When did George Townsend translate them?"
    assert next(readings_of("When was it printed?", earlier)) == "When was Aesop's Fables printed?"


def test_nothing_is_put_in_where_nothing_was_said():
    assert list(readings_of("When was it founded?", [])) == []


def test_a_conversation(memorized):
    assistant = Assistant(memorized.home, Models())
    first = assistant.ask("What did the Crow want to drink from?")
    answer = ask_in_conversation(assistant, "What did it find?", [first], least=0)
    assert "it" not in answer.question.split()
    plain = ask_in_conversation(assistant, "What did the Crow want to drink from?", [first])
    assert plain.question == first.question and plain.answer == first.answer


def test_all_is_answered_with_a_list_and_one_with_one():
    from model import Reading

    readings = [
        Reading(0, 0, 4, None, 5.0, 0.4),
        Reading(0, 2, 6, None, 4.0, 0.2),
        Reading(1, 0, 4, None, 4.5, 0.3),
        Reading(3, 0, 4, None, 2.0, 0.04),
        Reading(2, 0, 4, None, 0.0, 0.004),  # an eighth of the one before, but too little beside the best
    ]
    assert chosen(wanted_by("What are all the numbers?"), readings) == [readings[0], readings[2], readings[3]]
    assert chosen(wanted_by("What is the number?"), readings) == readings[:1]
    assert chosen(wanted_by("What are all the numbers?"), []) == []


def test_a_list_ends_where_confidence_drops():
    from model import Reading

    sure, next_best, unlikely = Reading(0, 0, 4, None, 5.0, 0.6), Reading(1, 0, 4, None, 4.0, 0.3), Reading(2, 0, 4, None, 1.0, 0.02)
    assert chosen(wanted_by("List the numbers."), [sure, next_best, unlikely]) == [sure, next_best]
