"""Forgetting, pruning, checking and mending a store."""

import json
import os
import shlex
import shutil
import stat
import sys

import pytest

from titans_cli.errors import UsageError
from titans_cli.services.maintenance import check, find_documents
from titans_cli.store import Store, shard_path


def shards(titans):
    with Store.open(titans.home) as store:
        return {d.name: d for d in store.documents(store.require_head())}


def everything(titans) -> bytes:
    return b"".join(path.read_bytes() for path in titans.home.rglob("*") if path.is_file())


def test_what_is_forgotten_everywhere_leaves_no_byte(copied):
    before = shards(copied)
    gone = before["docs/aesop.html"]
    files = copied.files()
    shard = shard_path(copied.home, gone.shard)
    weights = shard.read_bytes()[2_000:2_032]
    assert weights in everything(copied) and b"aesop" in everything(copied)
    question = "ask", "What did the Fox say about the grapes?", "--min-confidence", "0"
    assert "aesop" in copied(*question).output
    copied("forget", "aesop", "--everywhere")
    left = everything(copied)
    for trace in (b"aesop", gone.source_sha256.encode(), gone.shard.encode(), weights):
        assert trace not in left
    others = {name for name in files if name.startswith("shards") and gone.shard not in name}
    assert {name: files[name] for name in others} == {name: data for name, data in copied.files().items() if name.startswith("shards")}
    assert "aesop" not in copied(*question).output
    copied("check", "--read-data")


def test_what_only_snapshots_hold_can_be_forgotten_everywhere(copied):
    weights = shard_path(copied.home, shards(copied)["docs/aesop.html"].shard).read_bytes()[2_000:2_032]
    told = copied("forget", "aesop").stderr
    assert "To remove it there too: titans forget docs/aesop.html --everywhere" in told
    assert weights in everything(copied)
    copied("forget", "docs/aesop.html", "--everywhere")
    assert weights not in everything(copied)
    assert "No document matches" in copied("forget", "docs/aesop.html", "--everywhere", code=2).stderr


def test_forgetting_tells_which_snapshots_hold_it_still(copied):
    copied("snapshot", "create", "before")
    told = copied("forget", "gettysburg-address.txt").stderr
    assert "before" in told and "--everywhere" in told
    assert "docs/gettysburg-address.txt" not in shards(copied)
    assert "- docs/gettysburg-address.txt" in copied("snapshot", "diff", "before").output
    copied("snapshot", "restore", "before")
    assert "docs/gettysburg-address.txt" in shards(copied)
    assert "0 added, 0 removed, 0 changed" in copied("snapshot", "diff", "before").output


def test_another_file_with_the_same_content_keeps_its_memories(titans, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("The mill at Lund was built in 1702.")
    titans("ingest", tmp_path / "a.txt", tmp_path / "b.txt")
    titans("forget", "a.txt", "--everywhere")
    assert shards(titans).keys() == {"b.txt"}
    titans("check", "--read-data")


@pytest.mark.parametrize(("text", "hint"), [("aesp.html", "aesop"), ("docs/", "'docs/' matches 4 documents: "), ("zzzz", "titans status")])
def test_unknown_documents_are_refused_with_a_hint(copied, text, hint):
    with pytest.raises(UsageError, match=hint):
        find_documents(list(shards(copied).values()), [text])
    files = copied.files()
    copied("forget", text, code=2)
    assert copied.files().keys() == files.keys()


def test_pruning_takes_old_snapshots_and_what_killed_runs_left(copied, tmp_path):
    for number in range(3):
        (tmp_path / "a.txt").write_text(f"The mill at Lund was built in 170{number}.")
        copied("ingest", tmp_path / "a.txt")
    (copied.home / "shards" / "00").mkdir(exist_ok=True)
    (copied.home / "shards" / "00" / ".x.safetensors.1.part").write_bytes(b"x" * 1000)
    assert check(copied.home)[0].harmless
    shown = copied("prune", "--dry-run", "--keep", "0").stderr
    before = copied.files()
    assert "Would delete 3 snapshots" in shown and copied("prune", "--dry-run").stderr
    assert copied.files().keys() == before.keys()
    assert "Deleted 3 snapshots" in copied("prune", "--keep", "0").stderr
    after = copied.files()
    assert not any(".part" in name for name in after)
    assert sum(name.startswith("shards") for name in after) == sum(name.startswith("shards") for name in before) - 3
    assert check(copied.home) == []


def test_damage_is_found_and_mended(copied, tmp_path):
    documents = shards(copied)
    lost, bent = documents["docs/aesop.html"], documents["docs/bzip2.pdf"]
    shard_path(copied.home, lost.shard).unlink()
    path = shard_path(copied.home, bent.shard)
    data = bytearray(path.read_bytes())
    data[5_000] ^= 1
    path.write_bytes(data)
    assert "missing" in copied("check", code=12).stderr
    assert "checksum" in copied("check", "--read-data", code=12).stderr
    told = copied("doctor").stderr
    assert "titans ingest" in told and "aesop" in told
    fixed = copied("doctor", "--fix").stderr
    assert lost.path in fixed and bent.path in fixed and "No problems found." in fixed
    copied("check", "--read-data")
    assert shards(copied).keys() == documents.keys() - {"docs/aesop.html", "docs/bzip2.pdf"}


def test_a_sound_store_is_said_to_be(copied):
    assert "No problems found." in copied("check").stderr
    assert "No problems found." in copied("doctor").stderr


def test_a_database_that_is_none_is_named(copied):
    (copied.home / "titans.db").write_bytes(b"\0" * 4096)
    shutil.rmtree(copied.home / "cache")
    assert "titans import" in copied("check", code=12).stderr


def test_a_dry_run_of_forgetting_tells_and_changes_nothing(copied):
    copied("snapshot", "create", "before")
    files = copied.files()
    told = copied("forget", "aesop", "--dry-run").stderr
    assert "Would forget docs/aesop.html" in told
    facts = json.loads(copied("forget", "aesop", "--dry-run", "--everywhere", "--json").stdout)
    assert facts["dry_run"] is True and facts["still_in"] == [] and facts["freed_bytes"] > 0
    assert json.loads(copied("forget", "aesop", "--dry-run", "--json").stdout)["still_in"]
    assert copied.files() == files
    assert json.loads(copied("forget", "aesop", "--everywhere", "--json").stdout) == {k: v for k, v in facts.items() if k != "dry_run"}


def test_commands_that_mend_can_be_pasted_into_a_shell(titans, tmp_path):
    (tmp_path / "notes'; touch PWNED; echo '.txt").write_text("The mill at Lund was built in 1702.")
    titans("ingest", tmp_path)
    (document,) = shards(titans).values()
    shard_path(titans.home, document.shard).unlink()
    (problem,) = check(titans.home)
    assert shlex.split(problem.remedy) == ["titans", "doctor", "--fix;", "titans", "ingest", document.path]
    told = titans("doctor", "--fix").stderr
    line = next(line for line in told.splitlines() if "PWNED" in line)
    assert document.path in shlex.split(line[line.index("titans ingest") :])


def test_the_store_keeps_its_connection_to_itself(copied):
    with Store.open(copied.home) as store:
        assert not {name for name in vars(store) if not name.startswith("_")} - {"home", "bookkeeping"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_new_store_and_exports_are_readable_by_their_owner_alone(titans, tmp_path):
    before = os.umask(0o022)
    try:
        (tmp_path / "mill.txt").write_text("The mill at Lund was built in 1702.")
        titans("ingest", tmp_path / "mill.txt")
        titans("export", tmp_path / "mill.titans")
    finally:
        os.umask(before)
    assert stat.S_IMODE(titans.home.stat().st_mode) == 0o700
    for path in (tmp_path / "mill.titans", *titans.home.rglob("*.safetensors")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
