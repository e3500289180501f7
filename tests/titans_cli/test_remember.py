"""What is told is memorized like a document, dated, and can be forgotten and undone."""

import json
import re

import pytest

from titans_cli.errors import UsageError
from titans_cli.services.snapshots import undo


def test_what_is_told_is_remembered_dated_and_forgotten(titans):
    told = json.loads(titans("remember", "--json", "The spare key is under the third flowerpot.").stdout)
    name = told["document"]["name"]
    assert re.fullmatch(r"told \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", name)
    answer = json.loads(titans("ask", "--json", "Where is the spare key?").stdout)
    assert "flowerpot" in answer["answer"] and answer["evidence"][0]["document"] == name
    titans("forget", name, "--everywhere")
    assert not any(b"flowerpot" in data for data in titans.files().values())
    assert json.loads(titans("ask", "--json", "Where is the spare key?").stdout)["answer"] is None


def test_two_things_told_in_one_second_are_two_documents(titans, monkeypatch):
    from titans_cli.services.ingest import remember

    class Clock(remember.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(remember, "datetime", Clock)
    titans("remember", "The cellar has eleven steps.")
    titans("remember", "-", stdin="The attic has nine windows.")
    names = [document["name"] for document in json.loads(titans("status", "--json").stdout)["documents"]]
    assert names == ["told 2026-01-02 03:04:05", "told 2026-01-02 03:04:05 (2)"]


def test_nothing_told_is_nothing_remembered(titans):
    titans("remember", "  ", code=2)
    assert not titans.home.exists()


def test_told_things_stay_when_folders_are_pruned(titans, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The lamp is green.")
    titans("remember", "The cellar has eleven steps.")
    titans("ingest", tmp_path / "docs", "--prune-missing")
    titans("ingest", tmp_path / "docs", "--prune-missing")
    assert "told" in titans("status").stdout


def test_undo_goes_back_step_by_step_and_can_be_taken_back(titans):
    titans("remember", "The cellar has eleven steps.")
    titans("remember", "The attic has nine windows.")
    titans("snapshot", "create", "both")  # changes nothing but the name
    _, before = undo(titans.home)
    assert before.name == "both" and len(json.loads(titans("status", "--json").stdout)["documents"]) == 1
    with pytest.raises(UsageError, match="Nothing to undo"):
        undo(titans.home)
    titans("snapshot", "restore", "both")
    assert len(json.loads(titans("status", "--json").stdout)["documents"]) == 2
