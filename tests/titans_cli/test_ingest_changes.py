"""Files that are new, changed, moved, copied, gone or unreadable between two ingests."""

import errno
import os
import sqlite3
import threading
from contextlib import closing

import pytest

from titans_cli.models import Models
from titans_cli.services.ingest.plan import is_missing
from titans_cli.services.ingest.watch import watch
from titans_cli.store import Store

MILL = "The mill at Lund was built in 1702 by Anna Berg. It burned down twice."
SHIP = "The ship Aurora sank near Cape Horn in 1871. Nine sailors were saved."


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "mill.txt").write_text(MILL)
    return folder


def documents(titans):
    with Store.open(titans.home) as store:
        return {d.name: d.shard for d in store.documents(store.require_head())}


def test_a_renamed_file_keeps_its_memories(titans, docs):
    titans("ingest", docs)
    before = documents(titans)
    (docs / "mill.txt").rename(docs / "windmill.txt")
    assert "0 new, 1 moved, 0 unchanged" in titans("ingest", docs).output
    assert documents(titans) == {"docs/windmill.txt": before["docs/mill.txt"]}


def test_a_changed_file_takes_the_place_of_what_it_was(titans, docs):
    titans("ingest", docs)
    before = documents(titans)
    (docs / "mill.txt").write_text(SHIP)
    assert "0 new, 1 changed, 0 unchanged" in titans("ingest", docs).output
    after = documents(titans)
    assert after.keys() == before.keys() and after != before


def test_a_copy_is_not_memorized_twice(titans, docs):
    (docs / "same.txt").write_text(MILL)
    assert "1 new, 1 copies, 0 unchanged" in titans("ingest", docs).output
    assert len(documents(titans)) == 2 and len(set(documents(titans).values())) == 1
    (docs / "third.txt").write_text(MILL)
    assert "0 new, 1 copies, 2 unchanged" in titans("ingest", docs).output


def test_gone_files_are_told_and_taken_out_when_asked(titans, docs):
    (docs / "ship.txt").write_text(SHIP)
    titans("ingest", docs)
    (docs / "mill.txt").unlink()
    assert "--prune-missing" in titans("ingest", docs).stderr
    assert len(documents(titans)) == 2
    titans("ingest", docs, "--prune-missing")
    assert documents(titans).keys() == {"docs/ship.txt"}
    (docs / "ship.txt").unlink()
    titans("ingest", docs, "--prune-missing")
    assert documents(titans) == {}


def test_another_folder_does_not_make_files_gone(titans, docs, tmp_path):
    titans("ingest", docs)
    (docs / "mill.txt").unlink()
    other = tmp_path / "other"
    other.mkdir()
    (other / "ship.txt").write_text(SHIP)
    assert "--prune-missing" not in titans("ingest", other, "--prune-missing").stderr
    assert len(documents(titans)) == 2


def test_a_dry_run_tells_and_changes_nothing(titans, docs):
    (docs / "ship.txt").write_text(SHIP)
    shown = titans("ingest", docs, "--dry-run").output
    assert "2 new" in shown and not titans.home.exists()
    titans("ingest", docs)
    (docs / "mill.txt").rename(docs / "windmill.txt")
    (docs / "ship.txt").write_text(SHIP + " It was a cold day.")
    (docs / "copy.txt").write_text(MILL)
    files = titans.files()
    shown = titans("ingest", docs, "--dry-run").output
    assert "docs/mill.txt → docs/" in shown and "1 changed, 1 moved, 1 copies, 0 gone, 0 unchanged" in shown
    assert {name: data for name, data in titans.files().items() if "-wal" not in name and "-shm" not in name} == files


def test_failures_are_kept_and_tried_again(titans, docs):
    (docs / "bad.pdf").write_bytes(b"%PDF-1.4 and then nothing")
    titans("ingest", docs, code=3)
    assert "bad.pdf" in titans("status").output
    titans("ingest", "--retry-failed", code=3)
    (docs / "bad.pdf").unlink()
    (docs / "bad.txt").write_text(SHIP)
    titans("ingest", docs)
    assert "bad.pdf" not in titans("status").output
    titans("ingest", "--retry-failed", code=2)


def test_standard_input_is_memorized(titans):
    assert "1 new" in titans("ingest", "-", stdin=SHIP).output
    assert list(documents(titans)) == ["standard input"]


def test_what_a_killed_ingest_had_finished_is_not_memorized_again(titans, docs, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Store, "add_snapshot", lambda *_: (_ for _ in ()).throw(RuntimeError))
        titans("ingest", docs, code=1)
    assert "0 new, 1 unchanged, 0 failed: 0 tokens" in titans("ingest", docs).output
    assert documents(titans).keys() == {"docs/mill.txt"}


def test_an_unknown_encoding_is_refused(titans, docs):
    assert "Unknown encoding 'nope'" in titans("ingest", docs, "--encoding", "nope", code=2).stderr


def test_no_path_is_refused(titans):
    assert "titans ingest FOLDER" in titans("ingest", code=2).stderr


def test_watching_follows_a_folder(titans, docs):
    stop, seen = threading.Event(), []
    learned = threading.Condition()

    def run():
        for result in watch(titans.home, Models(), [docs], stop=stop):
            with learned:
                seen.append(result)
                learned.notify()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with learned:
            assert learned.wait_for(lambda: len(seen) == 1, 60)
        stop.wait(0.5)  # until the watcher listens
        (docs / "ship.txt").write_text(SHIP)
        (docs / "mill.txt").unlink()
        with learned:
            assert learned.wait_for(lambda: len(seen) == 2, 60)
    finally:
        stop.set()
        thread.join(30)
    assert seen[0].did.new == seen[1].did.new == 1
    assert documents(titans).keys() == {"docs/ship.txt"}


@pytest.mark.parametrize("path", ["/home/" + "x" * 300 + "/mill.txt", "/home/a\0b.txt"])
def test_documents_whose_paths_cannot_be_looked_at_do_not_stop_an_ingest(copied, tmp_path, path):
    """Such paths come with exports of other machines."""
    with closing(sqlite3.connect(copied.home / "titans.db")) as db, db:
        db.execute("update documents set path = ? where name like '%aesop%'", [path])
    (tmp_path / "mill.txt").write_text("The mill at Lund was built in 1702.")
    assert "1 new" in copied("ingest", tmp_path / "mill.txt", "--dry-run").output
    assert "1 new" in copied("ingest", tmp_path / "mill.txt").output
    copied("remember", "The spare key is under the third flowerpot.")


def test_a_file_in_a_closed_folder_is_not_taken_for_deleted(monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    assert is_missing("/no/such/file")
    monkeypatch.setattr(os, "stat", refuse)
    assert not is_missing("/closed/file")


def test_a_watched_folder_that_is_unmounted_is_not_forgotten(titans, docs, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "ship.txt").write_text(SHIP)
    titans("ingest", docs, other)
    (docs / "mill.txt").unlink()  # as where a drive was
    next(watch(titans.home, Models(), [docs, other]))
    assert documents(titans).keys() == {"docs/mill.txt", "other/ship.txt"}
    (other / "ship.txt").unlink()
    (docs / "reed.txt").write_text("Reeds bend, and so they do not break.")
    (other / "bee.txt").write_text("Bees dance to tell each other where flowers are.")
    next(watch(titans.home, Models(), [docs, other]))
    assert documents(titans).keys() == {"docs/reed.txt", "other/bee.txt"}
