"""A memory that is full forgets what is least worth keeping."""

import json
from pathlib import Path

import pytest

from titans_cli.errors import UsageError
from titans_cli.models import Models
from titans_cli.services.ask.answer import Assistant
from titans_cli.services.ingest.budget import parse_size
from titans_cli.session import Session
from titans_cli.store import Store

TOWNS = ["Lund", "Visby", "Kalmar", "Falun"]


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for number, town in enumerate(TOWNS):
        (folder / f"{town}.txt").write_text(
            f"The mill at {town} was built in 170{number}. It burned down {number} times, and was sold to Anna Berg."
        )
    return folder


def documents(titans):
    with Store.open(titans.home) as store:
        head = store.require_head()
        return {d.name.removeprefix("docs/").removesuffix(".txt") for d in store.documents(head)}, store.shard_bytes(store.documents(head))


def test_what_is_forgotten_for_want_of_room_goes_off_the_disk_and_is_told(titans, docs):
    titans("ingest", docs)
    _, size = documents(titans)
    kept_shards = sum(1 for _ in (titans.home / "shards").rglob("*.safetensors"))
    told = titans("ingest", docs, "--budget", f"{size - 1}B")
    assert "Forgot 1 document" in told.stderr
    names, left = documents(titans)
    assert len(names) == 3 and left < size
    assert sum(1 for _ in (titans.home / "shards").rglob("*.safetensors")) == kept_shards - 1
    status = titans("status").output
    assert "Forgot 1 file to stay within the budget" in status and "% of the budget of " in status
    titans("check", "--read-data")


def test_the_budget_holds_until_there_is_another_and_what_it_cost_stays_out(titans, docs):
    titans("ingest", docs)
    _, size = documents(titans)
    titans("ingest", docs, "--budget", f"{size - 1}B")
    names, left = documents(titans)
    titans("ingest", docs, "--budget", f"{left}B")
    again = titans("ingest", docs)
    assert (
        "0 new" in again.output
        and "Skipped 1 file, forgotten earlier to stay within the budget." in again.stderr
        and documents(titans)[0] == names
    )
    (docs / "Ystad.txt").write_text("The tower at Ystad was built in 1681 by Nils Holm, who had three ships and no fear of storms.")
    titans("ingest", docs)
    assert len(documents(titans)[0]) == 3
    titans("ingest", docs, "--budget", "none")
    assert documents(titans)[0] == {*TOWNS, "Ystad"}
    assert "forgotten" not in titans("status").output


def test_what_gave_answers_stays(titans, docs):
    titans("ingest", docs)
    _, size = documents(titans)
    titans("ask", "When was the mill at Lund built?", "--min-confidence", "0")
    with Store.open(titans.home) as store:
        (path,) = store.bookkeeping.answers()
    titans("ingest", docs, "--budget", f"{size // 3}B")
    assert documents(titans)[0] == {path.rpartition("/")[2].removesuffix(".txt")}


def answers(titans) -> dict[str, int]:
    with Store.open(titans.home) as store:
        return store.bookkeeping.answers()


def test_asking_writes_nothing_to_the_store(titans, docs):
    titans("ingest", docs)
    before = titans.files()
    answer = Assistant(titans.home, Models()).ask("When was the mill at Lund built?", least=0)
    assert answer.evidence and answers(titans) == {}
    assert titans.files() == before


def test_of_a_follow_up_only_the_reading_that_is_shown_counts(titans, docs):
    titans("ingest", docs)
    titans("ask", "When was the mill at Lund built, and who bought the mill at Visby?", "--min-confidence", "0")
    before = answers(titans)
    told = json.loads(titans("ask", "--json", "--continue", "How many times did it burn down?", "--min-confidence", "0").stdout)
    shown = {piece["document"] for piece in told["evidence"]}
    after = answers(titans)
    counted = {Path(path).name: after[path] - before.get(path, 0) for path in after if after[path] != before.get(path, 0)}
    assert counted == {Path(document).name: 1 for document in shown}


def test_the_tools_of_an_assistant_write_nothing(titans, docs):
    pytest.importorskip("mcp")
    from titans_cli.servers import mcp

    titans("ingest", docs)
    told = mcp.answered(Session(titans.home), "When was the mill at Lund built?", 0.0)
    assert told.structured_content["evidence"] and answers(titans) == {}


@pytest.mark.parametrize(
    ("text", "size"), [("500MB", 500_000_000), ("1.5 GiB", 1_610_612_736), ("7B", 7), ("2g", 2_000_000_000), ("none", 0)]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "0", "5 parsecs", "nan", "inf"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="500MB"):
        parse_size(text)
