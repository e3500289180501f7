"""Nothing is lost: kills, failing disks, readers beside writers, and the lock."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock

from titans_cli.errors import DamagedError, LockedError, TitansError, explain
from titans_cli.store import Store, open_index
from titans_cli.store import index as index_module
from titans_cli.store.files import write_atomically

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")
FOX = "What did the fox say about the grapes?"


@linux
@pytest.mark.parametrize("arguments", [["--count", "2"], ["--faults", "--count", "1"]], ids=["kills", "faults"])
def test_no_operation_loses_anything(arguments, tmp_path):
    """Two kills of each operation and one fault of each kind, the same each time; bench/kill.py tries hundreds, and every call."""
    command = [sys.executable, "bench/kill.py", *arguments, "--work", str(tmp_path / "work"), "--seed", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def hold(home: Path) -> subprocess.Popen:
    """A process that holds the lock, in the middle of a transaction."""
    code = f"""
import time
from pathlib import Path
from titans_cli.store import Store
with Store.open(Path({str(home)!r})) as store, store.locked(), store.transaction():
    store.bookkeeping.add_failure("/nowhere", "reason", "missing")
    print("holding", flush=True)
    time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == "holding\n"
    return process


def test_readers_do_not_wait_for_a_writer_and_the_lock_names_it(copied):
    with hold(copied.home) as process:
        try:
            begun = time.monotonic()
            copied("status")
            copied("snapshot", "list")
            copied("check")
            answer = json.loads(copied("ask", "--json", FOX).stdout)
            assert "aesop" in answer["evidence"][0]["document"]
            assert time.monotonic() - begun < 9  # SQLite would wait for ten
            told = copied("snapshot", "create", "x", code=11).stderr
            assert f"process {process.pid} on host {os.uname().nodename}, since 20" in told
        finally:
            process.kill()
    copied("snapshot", "create", "x")  # the lock of a dead process is free
    assert not (copied.home / ".lock.holder").exists()


def test_a_lock_file_of_another_host_that_is_gone_does_not_matter(copied):
    (copied.home / ".lock").write_text("")
    (copied.home / ".lock.holder").write_text("process 1 on host elsewhere, since 2001-01-01")
    copied("snapshot", "create", "x")
    assert not (copied.home / ".lock.holder").exists()


def test_processes_that_build_the_same_index_do_not_disturb_each_other(copied):
    code = f"""
from pathlib import Path
from titans_cli.store import Store, open_index
with Store.open(Path({str(copied.home)!r})) as store:
    input()
    for _ in range(8):
        index = open_index(store, store.require_head())
        assert len(index.vectors) and int(index.owners[-1]) == index.memories - 1
"""
    start = [sys.executable, "-c", code]
    processes = [subprocess.Popen(start, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    while any(process.poll() is None for process in processes):
        if any(not folder.name.startswith(".") for folder in (copied.home / "cache").glob("*")):
            shutil.rmtree(copied.home / "cache", ignore_errors=True)  # in no way that spares readers
        time.sleep(0.3)
    assert [process.communicate()[1] for process in processes] == ["", ""]


def test_an_index_that_is_not_whole_is_built_again(copied):
    with Store.open(copied.home) as store:
        head = store.require_head()
        wanted = open_index(store, head)
        folder = copied.home / "cache" / head.digest
        for harm in (lambda path: path.unlink(), lambda path: path.write_bytes(b""), lambda path: path.write_bytes(path.read_bytes()[:-9])):
            data = {path.name: path.read_bytes() for path in folder.iterdir()}
            harm(folder / "vectors.npy")
            assert open_index(store, head).memories == wanted.memories
            assert {path.name: path.read_bytes() for path in folder.iterdir()} == data


def test_an_index_of_what_is_forgotten_meanwhile_does_not_stay(copied, monkeypatch):
    real = index_module.build

    def build(store, folder, documents):
        monkeypatch.setattr(index_module, "build", real)
        real(store, folder, documents)
        copied("forget", "aesop", "--everywhere")

    shutil.rmtree(copied.home / "cache")
    monkeypatch.setattr(index_module, "build", build)
    with Store.open(copied.home) as store:
        index = open_index(store, store.require_head())
        assert [d.name for d in index.documents if "aesop" in d.name] == []
        assert [path.name for path in (copied.home / "cache").iterdir()] == [store.require_head().digest]


def test_the_second_of_two_imports_does_not_take_the_first_ones_store_away(copied, tmp_path):
    Store.remove_new(copied.home)
    assert "aesop" in copied("status").stdout
    empty = tmp_path / "empty"
    Store.open(empty, create=True).close()
    with FileLock(empty / ".lock"):
        Store.remove_new(empty)
    assert (empty / "titans.db").exists()
    Store.remove_new(empty)
    assert not empty.exists()


def test_processes_that_make_a_new_store_at_once_both_succeed(tmp_path):
    failed = []

    def make():
        try:
            Store.open(tmp_path / "home", create=True).close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def children(pid: int) -> set[int]:
    return {int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()}


@linux
def test_a_killed_ingest_leaves_no_workers_and_no_lock(titans, tmp_path):
    (tmp_path / "docs").mkdir()
    words = (ROOT / "titans_cli" / "samples" / "gettysburg-address.txt").read_text()
    for number in range(20):  # more than is finished before the kill
        (tmp_path / "docs" / f"{number}.txt").write_text(f"{number} {words}")
    command = [sys.executable, "-m", "titans_cli", "ingest", str(tmp_path / "docs"), "--home", str(titans.home)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        shards = titans.home / "shards"
        while not (workers := children(process.pid)) or not shards.exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while alive := [worker for worker in workers if Path(f"/proc/{worker}").exists()]:
        assert time.monotonic() < end, alive
        time.sleep(0.05)
    titans("snapshot", "create", "x", code=10)  # nothing is memorized yet, and nobody holds the lock


def test_failing_disks_are_told_in_one_line():
    for number, words in (
        (28, "full"),
        (5, "Check its disk"),
        (13, "--home"),
        (30, "--home"),
        (122, "full"),
        (24, "run the same command"),
    ):
        told = explain(OSError(number, os.strerror(number), "/x/y"))
        assert isinstance(told, TitansError) and words in str(told) and "/x/y" in str(told) and "\n" not in str(told)
    assert explain(BrokenPipeError(32, "Broken pipe")) is None and explain(ValueError("x")) is None
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("create table a (b)")
        db.execute("pragma max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as caught:
            db.execute("insert into a values (zeroblob(100000))")
    assert "full" in str(explain(caught.value))


def test_a_database_that_is_busy_is_not_called_damaged(copied):
    with closing(sqlite3.connect(copied.home / "titans.db", timeout=0)) as db, hold(copied.home) as process:
        with pytest.raises(sqlite3.OperationalError) as caught:
            db.execute("delete from failures")
        process.kill()
    assert isinstance(explain(caught.value), LockedError)
    assert isinstance(explain(sqlite3.DatabaseError("file is not a database")), DamagedError)


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="whole"):
        write_atomically(tmp_path / "whole", b"data")
    assert list(tmp_path.iterdir()) == []
