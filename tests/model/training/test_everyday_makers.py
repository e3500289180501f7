"""Everyday questions: those made by rules have answers that stand where they say, and those written by hand find their texts."""

import gzip
import json
import random

import pytest

from model.training.everyday import (
    add_typing_noise,
    definition_questions,
    fact_questions,
    keywords,
    option_questions,
    questions_from_texts,
    setting_questions,
)
from model.training.everyday_questions import QUESTIONS, everyday_questions
from model.training.everyday_tables import invent_table, table_questions

OPTIONS = "OPTIONS\n-------\n" + "\n".join(
    f"{names}::\n\t{said}\n"
    for names, said in (
        ("-a::\n--all", "Stage every file that was changed, but not new files."),
        ("-q::\n--quiet", "Print nothing but errors; progress is not shown."),
        ("--depth=<n>", "Make a shallow copy with the history of that many commits."),
        ("-f::\n--force", "Write even when the branch of the other side has moved."),
        ("--dry-run", "Show what would be done without doing any of it."),
        ("-n <count>", "Stop after this number of commits has been shown."),
    )
)
DEFINITIONS = "\n" + "\n".join(
    f"{word}\n\n   {said} which is said of\n   many things. More follows here.\n"
    for word, said in (
        ("bit bucket", "<jargon> The place where lost data goes,"),
        ("daemon", "<operating system> A program that waits in the background,"),
        ("kluge", "<programming> A clumsy repair that works for now,"),
        ("latency", "<hardware> The time that passes before an answer comes,"),
    )
)
SETTINGS = "\n".join(
    f"\n{name} ({kind})\n\n        {said}\n        It can be set at start only.\n"
    for name, kind, said in (
        ("shared_buffers", "integer", "Sets the memory that all processes of the server share. The default is 128 megabytes."),
        ("max_connections", "integer", "Determines how many clients may be connected at once. The default is typically 100 connections."),
        ("log_directory", "string", "Names the folder in which the log files are written. The default value is log."),
    )
)
FACTS = "\n".join(
    f"{name}: {value}"
    for name, value in (
        ("Population", "5,320,045"), ("Capital", "Oslo"), ("Birth rate", "12.2 births per 1,000"), ("Total area", "323,802 sq km"),
        ("Coastline", "25,148 km"), ("Highest point", "Galdhopiggen 2,469 m"), ("Currency", "krone"), ("Labor force", "2.8 million"),
        ("Exports", "oil and gas"), ("Railways", "4,200 km"), ("Airports", "95 in all"), ("Climate", "temperate along coast"),
        ("Languages", "Bokmal and Nynorsk"), ("Life expectancy", "81.8 years"), ("Literacy", "all of the people"),
        ("Internet users", "4.9 million"), ("Natural gas", "114 billion cu m"), ("Inflation rate", "2.1 percent"),
        ("Median age", "39.2 years"), ("Merchant marine", "1,585 ships"),
    )
)  # fmt: skip
MAKERS = {
    "options": lambda rng: option_questions(OPTIONS, rng),
    "definitions": lambda rng: definition_questions(DEFINITIONS, "foldoc", rng),
    "settings": lambda rng: setting_questions(SETTINGS, rng),
    "facts": lambda rng: fact_questions(FACTS, rng),
    "tables": lambda rng: table_questions(20, rng),
}


@pytest.mark.parametrize("name", MAKERS)
def test_answers_stand_where_the_records_say(name):
    made = [record for seed in range(30) for record in MAKERS[name](random.Random(seed))]
    answered = [r for r in made if r["answers"]]
    assert len(answered) > 50
    for r in made:
        assert r["question"].strip()
        assert len(r["answers"]) == len(r["answer_start"]) <= 1
        for answer, at in zip(r["answers"], r["answer_start"], strict=True):
            assert answer
            assert r["context"][at : at + len(answer)] == answer, r


@pytest.mark.parametrize("name", ["options", "facts", "tables"])
def test_some_questions_have_no_answer(name):
    made = [record for seed in range(30) for record in MAKERS[name](random.Random(seed))]
    assert 0.02 < sum(not r["answers"] for r in made) / len(made) < 0.3


def test_each_kind_asks_after_what_its_text_says():
    def answers(name: str) -> set[str]:
        return {answer for seed in range(30) for r in MAKERS[name](random.Random(seed)) for answer in r["answers"]}

    assert {"-a, --all", "--depth=<n>", "Stage every file that was changed"} <= answers("options")
    assert {"128 megabytes", "100 connections", "log", "Names the folder in which the log files are written"} <= answers("settings")
    assert {"Oslo", "5,320,045", "Galdhopiggen 2,469 m"} <= answers("facts")
    assert "A program that waits in the background, which is said of many things" in answers("definitions")


def test_cells_of_tables_stand_at_their_places():
    for seed in range(60):
        table = invent_table(random.Random(seed))
        for row, name in enumerate(table.names):
            cells = [name, *(column.values[row] for column in table.columns)]
            assert [table.text[at : at + len(cell)] for at, cell in zip(table.places[row], cells, strict=True)] == cells


def test_typing_noise_changes_at_most_a_slip():
    question = "What is the default of shared_buffers?"
    noisy = {add_typing_noise(question, random.Random(seed)) for seed in range(200)}
    assert question in noisy and question.lower().rstrip("?") in noisy and len(noisy) > 10
    assert all(abs(len(n.rstrip("?")) - len(question) + 1) <= 1 for n in noisy)
    assert keywords(question) == "default shared_buffers"


def test_questions_are_made_of_training_texts_alone(tmp_path):
    folder = tmp_path / "git-doc_txt"
    folder.mkdir()
    (folder / "git-add.txt").write_text(OPTIONS)
    (folder / "held10.txt").write_text(OPTIONS.replace("Stage", "Keep").replace("commits", "stories"))  # CRC-32 says: held out
    made = questions_from_texts(tmp_path, 100, random.Random(0))
    assert made and not any("stories" in r["context"] for r in made)
    assert len(questions_from_texts(tmp_path, 2, random.Random(0))) == 2


def write_questions(path, passages):
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(passage) + "\n" for passage in passages)
    return path


def test_written_questions_take_their_passages_from_the_texts(tmp_path):
    (tmp_path / "novels").mkdir()
    (tmp_path / "novels" / "a.txt").write_text("Chapter 1\nThe key lay\n  under the red stone.\nNobody saw it.\n")
    asked = [["where was the key", "under the red stone", "where"], ["did anyone see it?", "no", "yesno", "Nobody saw it"]]
    passages = [
        {"title": "0-1", "source": "novels/a.txt", "start": 10, "length": 50, "questions": asked},
        {"title": "inv-1", "text": "Room:  12\nDesk: 4", "questions": [["which room?", "12", "fact"], ["which floor?", None, "none"]]},
    ]
    records = everyday_questions(tmp_path, write_questions(tmp_path / "q.jsonl.gz", passages))
    context = "The key lay under the red stone. Nobody saw it."
    assert [r["context"] for r in records["everyday"]] == [context] * 2
    assert [(r["answers"], r["answer_start"]) for r in records["everyday"]] == [(["under the red stone"], [12]), (["no"], [-1])]
    assert [(r["answers"], r["answer_start"]) for r in records["invented"]] == [(["12"], [7]), ([], [])]
    assert {r["context"] for r in records["invented"]} == {"Room:  12\nDesk: 4"}


def test_other_texts_than_those_asked_about_are_an_error(tmp_path):
    passages = [{"title": "3-9", "text": "Nothing here.", "questions": [["where?", "under the stone", "where"]]}]
    with pytest.raises(ValueError, match="Passage 3-9 does not hold the answer 'under the stone'"):
        everyday_questions(tmp_path, write_questions(tmp_path / "q.jsonl.gz", passages))


def test_the_projects_written_questions_are_complete():
    assert QUESTIONS.stat().st_size < 700_000
    with gzip.open(QUESTIONS, "rt") as file:
        passages = [json.loads(line) for line in file]
    assert sum(len(p["questions"]) for p in passages) == 10_419
    for p in passages:
        assert set(p) in ({"title", "source", "start", "length", "questions"}, {"title", "text", "questions"})
        for question, answer, kind, *evidence in p["questions"]:
            assert question and kind and (answer is None or answer)
            assert not evidence or answer in ("yes", "no")
