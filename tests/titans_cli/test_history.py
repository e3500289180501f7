"""The user's own questions: kept, found, named, switched off, forgotten."""

import json
import os
import sqlite3
import stat
from contextlib import closing

import pytest

from titans_cli.errors import UsageError
from titans_cli.services import history
from titans_cli.store import History, Turn

ASKED = "What did the Fox say about the grapes?"


def traces(titans) -> bytes:
    return b"".join(path.read_bytes() for path in titans.home.glob("history.db*"))


def test_questions_are_kept_with_answer_and_source(copied):
    copied("ask", ASKED)
    copied("ask", "Who won the world cup in 2014?")
    told = json.loads(copied("history", "--json").stdout)
    first, second = told["turns"]
    assert list(first) == ["asked", "conversation", "question", "understood", "answer", "confidence", "sources"]
    assert first["question"] == ASKED and "sour" in first["answer"] and first["sources"][0]["document"] == "docs/aesop.html"
    assert second["answer"] is None and second["sources"] == []
    shown = copied("history").stdout
    assert shown.index(ASKED) < shown.index("world cup") and "docs/aesop.html" in shown


def test_history_is_searched_word_by_word_and_limited(copied):
    with History.open(copied.home) as kept:
        for number in range(30):
            kept.add(
                Turn(
                    "",
                    "2026-01-01T00:00:00+00:00",
                    f"Question {number} of 100%?",
                    f"Question {number} of 100%?",
                    f"answer_{number}",
                    0.5,
                    (),
                )
            )
    assert len(copied("history").stdout.splitlines()) == 40
    assert "Question 7 " in (found := copied("history", "answer_7", "QUESTION").stdout) and "Question 8 " not in found
    assert copied("history", "answerx7").stdout == ""  # _ is no wildcard
    assert len(copied("history", "100%", "-n", "0").stdout.splitlines()) == 60


def test_off_means_off(copied, monkeypatch):
    copied("history", "--off")
    copied("ask", ASKED)
    assert "History is off." in copied("history").stderr
    copied("history", "--on")
    copied("ask", "--no-history", ASKED)
    monkeypatch.setenv("TITANS_HISTORY", "off")
    copied("ask", ASKED)
    assert json.loads(copied("history", "--json").stdout) == {"version": 1, "kept": False, "turns": []}
    monkeypatch.delenv("TITANS_HISTORY")
    copied("ask", ASKED)
    assert len(json.loads(copied("history", "--json").stdout)["turns"]) == 1


def test_without_a_wish_to_keep_there_is_no_file(copied, monkeypatch):
    (copied.home / "history.db").unlink(missing_ok=True)
    monkeypatch.setenv("TITANS_HISTORY", "0")
    copied("ask", ASKED)
    assert not (copied.home / "history.db").exists()


def test_batches_are_not_kept(copied, tmp_path):
    (tmp_path / "questions.txt").write_text(ASKED)
    copied("ask", "--questions", tmp_path / "questions.txt")
    assert json.loads(copied("history", "--json").stdout)["turns"] == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_only_the_user_may_read_it(copied):
    (copied.home / "history.db").unlink(missing_ok=True)
    copied("ask", ASKED)
    assert stat.S_IMODE((copied.home / "history.db").stat().st_mode) == 0o600


def test_clearing_leaves_no_trace(copied):
    copied("ask", ASKED)
    assert b"grapes" in traces(copied)
    assert "Deleted 1 question." in copied("history", "--clear").stderr
    assert b"grapes" not in traces(copied)


def test_what_is_forgotten_everywhere_is_forgotten_here_too(copied):
    copied("ask", ASKED)
    copied("ask", "Who is the author of bzip2?")
    copied("forget", "aesop", "--everywhere")
    assert b"grapes" not in traces(copied) and b"aesop" not in traces(copied)
    assert len(json.loads(copied("history", "--json").stdout)["turns"]) == 1


def test_a_question_may_go_on_from_the_last_one(copied):
    copied("ask", "What did the Crow want to drink from?")
    assert "understood as" not in copied("history").stdout
    told = json.loads(copied("ask", "--json", "--continue", "--min-confidence", "0", "What did it find?").stdout)
    assert "it" not in told["question"].split()
    assert "Nothing was asked" in copied("ask", "--continue", "What?", code=2).stderr if copied("history", "--clear") else None


def test_conversations_are_named_and_loaded(copied):
    with History.open(copied.home) as kept:
        for conversation in ("2026-01-01 10:00:00", "other"):
            kept.add(Turn(conversation, "2026-01-01T00:00:00+00:00", "Who?", "Who is the author?", "Seward", 0.5, ()))
    history.rename(copied.home, "2026-01-01 10:00:00", "trip")
    assert history.names(copied.home) == ["other", "trip"]
    name, earlier = history.load(copied.home, "trip")
    assert name == "trip" and [answer.question for answer in earlier] == ["Who is the author?"]
    with pytest.raises(UsageError, match="already"):
        history.rename(copied.home, "other", "trip")
    with pytest.raises(UsageError, match="other"):
        history.load(copied.home, "none")


def test_a_history_that_cannot_be_written_does_not_keep_from_answering(copied):
    (copied.home / "history.db").write_bytes(b"no database" * 100)
    assert "sour" in copied("ask", ASKED).stdout
    assert "history.db" in copied("history", code=12).stderr


def test_a_history_of_a_newer_program_is_left_alone(copied):
    with closing(sqlite3.connect(copied.home / "history.db")) as db:
        db.execute("pragma user_version = 99")
    assert "newer" in copied("history", code=13).stderr
    copied("ask", ASKED)


def test_no_store_no_history(titans):
    titans("history", code=10)
    assert not titans.home.exists()


def test_words_that_are_no_utf8_are_looked_for_too(copied):
    assert "No matching questions." in copied("history", "\udcff").output
