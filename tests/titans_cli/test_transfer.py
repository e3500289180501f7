"""Exporting, importing and merging, with invented memories."""

import os
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invented_stores import SHAPE, add_documents, container, read_export

from titans_cli.errors import DamagedError, LockedError, TitansError, UsageError
from titans_cli.services.maintenance import check, find_documents, forget, prune
from titans_cli.services.snapshots import (
    compare_snapshots,
    create_snapshot,
    list_snapshots,
    restore_snapshot,
)
from titans_cli.services.transfer import export_to, import_from, merge_into
from titans_cli.store import Store, export_file, import_exports, is_automatic, open_exports

LARGEST = 10**9
MILL = ("/home/mill.txt", "mill.txt", 0, 0)
SHIP = ("/home/ship.pdf", "ship.pdf", 1, 9)
OTHER_MILL = ("/home/mill.txt", "mill.txt", 2, 0)  # another machine's file of the same path

texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
documents = st.lists(st.tuples(st.sampled_from(["/a", "/b/ß", "C:\\x"]) | texts, texts, st.integers(0, 4), st.integers(0, 2)), max_size=4)


def fill(home: Path, *docs: tuple[str, str, int, int]) -> Path:
    with Store.open(home, create=True) as store:
        add_documents(store, list(docs))
    return home


def exported(home: Path, target: Path) -> Path:
    export_to(home, target)
    return target


def take(home: Path, *sources: Path) -> str:
    """Import, and return the digest of the head."""
    return import_from(home, sources, SHAPE, LARGEST).digest


def memorized_at(home: Path) -> set[tuple[str, str, str, str]]:
    with Store.open(home) as store:
        return {(d.path, d.name, d.source_sha256, d.shard) for d in store.documents(store.require_head())}


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock"}


@pytest.fixture
def export(tmp_path) -> Path:
    return exported(fill(tmp_path / "source", MILL, SHIP), tmp_path / "a.titans")


# round trips


@settings(max_examples=15, deadline=None)
@given(documents)
def test_what_is_imported_is_what_was_exported(docs):
    with tempfile.TemporaryDirectory() as folder:
        source, home = fill(Path(folder, "source"), *docs), Path(folder, "home")
        file = exported(source, Path(folder, "a.titans"))
        assert take(home, file) == list_snapshots(source)[-1].snapshot.digest
        assert check(home, read_data=True) == []
        assert exported(home, Path(folder, "b.titans")).read_bytes() == file.read_bytes()
        before = files(home)
        take(home, file)
        assert {n: d for n, d in files(home).items() if "shards" in n} == {n: d for n, d in before.items() if "shards" in n}
        assert len(list_snapshots(home)) == 1


@settings(max_examples=8, deadline=None)
@given(documents, documents, st.randoms(use_true_random=False))
def test_equal_memories_make_equal_files(docs, more, random):
    with tempfile.TemporaryDirectory() as folder:
        first = fill(Path(folder, "first"), *docs)
        second = fill(Path(folder, "second"), *more)  # which has a past, and learned in another order
        shuffled = random.sample(docs, len(docs))
        fill(second, *shuffled)
        create_snapshot(second, "named")
        a, b = exported(first, Path(folder, "a.titans")), exported(second, Path(folder, "b.titans"))
        assert a.read_bytes() == b.read_bytes()


@settings(max_examples=5, deadline=None)
@given(st.tuples(documents, documents, documents))
def test_merging_is_a_union_in_whatever_order(lists):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        homes = [fill(folder / str(i), *docs) for i, docs in enumerate(lists)]
        a, b, c = (exported(home, folder / f"{i}.titans") for i, home in enumerate(homes))
        together = take(folder / "together", a, b, c)
        assert memorized_at(folder / "together") == set().union(*map(memorized_at, homes))
        assert take(homes[0], b, c) == take(homes[1], c, a) == take(homes[2], a, b, c, a) == together
        first, _ = merge_into([a, b], folder / "ab.titans", SHAPE, LARGEST)
        merge_into([folder / "ab.titans", c], folder / "abc.titans", SHAPE, LARGEST)
        merge_into([c, b, a, b], folder / "cba.titans", SHAPE, LARGEST)
        assert (folder / "abc.titans").read_bytes() == (folder / "cba.titans").read_bytes()
        assert take(folder / "again", folder / "ab.titans") == first.digest
        assert take(folder / "again", c) == together
        assert check(folder / "again", read_data=True) == []


# merging


def test_two_machines_files_of_one_path_are_both_kept(tmp_path):
    here, there = fill(tmp_path / "here", MILL, SHIP), fill(tmp_path / "there", OTHER_MILL, SHIP)
    a, b = exported(here, tmp_path / "a.titans"), exported(there, tmp_path / "b.titans")
    assert take(here, b) == take(there, a)
    assert len(memorized_at(here)) == 3
    snapshots = [row.snapshot for row in list_snapshots(here)]
    assert [s.name.split("-2")[0] for s in snapshots] == ["auto-1", "before-import", "auto-3"]
    assert snapshots[0].digest == snapshots[1].digest
    assert compare_snapshots(here, "auto-1").changed == ("mill.txt", "mill.txt")
    restore_snapshot(here, snapshots[1].name)
    assert len(memorized_at(here)) == 2


def test_merging_touches_no_store_and_leaves_nothing_beside_its_file(tmp_path, titans):
    a = exported(fill(tmp_path / "one", MILL), tmp_path / "a.titans")
    b = exported(fill(tmp_path / "two", SHIP), tmp_path / "b.titans")
    before = set(tmp_path.iterdir())
    merged, size = merge_into([a, b], tmp_path / "all.titans", SHAPE, LARGEST)
    assert set(tmp_path.iterdir()) - before == {tmp_path / "all.titans"} and size == (tmp_path / "all.titans").stat().st_size
    assert take(tmp_path / "new", tmp_path / "all.titans") == merged.digest
    with pytest.raises(UsageError, match="already exists"):
        merge_into([a], b, SHAPE, LARGEST)
    broken = tmp_path / "broken.titans"
    broken.write_bytes(b.read_bytes()[:-1])
    before = set(tmp_path.iterdir())
    with pytest.raises(DamagedError, match=r"broken\.titans"):
        merge_into([a, broken], tmp_path / "none.titans", SHAPE, LARGEST)
    assert set(tmp_path.iterdir()) == before
    titans("merge", a, "--into", tmp_path / "none.titans", code=13)  # invented weights are not those of the program
    assert not titans.home.exists()


def test_documents_of_one_path_are_told_apart_by_their_content(tmp_path):
    home = fill(tmp_path / "home", MILL, OTHER_MILL, SHIP)
    with Store.open(home) as store:
        first, second, ship = sorted(store.documents(store.require_head()), key=lambda d: (d.path, d.source_sha256))
    everything = [first, second, ship]
    with pytest.raises(UsageError, match=f"mill.txt@{first.source_sha256[:8]}"):
        find_documents(everything, ["mill.txt"])
    for text in (first.source_sha256[:6], f"mill.txt@{first.source_sha256[:6]}", f"{first.path}@{first.source_sha256}"):
        assert find_documents(everything, [text]) == [first]
    for text in (f"ship.pdf@{first.source_sha256[:6]}", first.source_sha256[:5], f"@{'0' * 6}"):
        with pytest.raises(UsageError, match="No document"):
            find_documents(everything, [text])
    forget(home, [f"mill.txt@{second.source_sha256[:8]}"])
    assert {shard for *_, shard in memorized_at(home)} == {first.shard, ship.shard}


def test_a_later_ingest_of_a_path_replaces_all_files_that_were_there(tmp_path, titans):
    other = type(titans)(tmp_path / "other")
    for home, text in ((titans, "The mill is old."), (other, "The mill is new.")):
        (tmp_path / "mill.txt").write_text(text)
        home("ingest", tmp_path / "mill.txt")
    other("export", tmp_path / "other.titans")
    titans("import", tmp_path / "other.titans")
    assert "2 documents" in titans("status").stdout
    assert "before-import" in titans("snapshot", "list").stdout
    titans("ingest", tmp_path / "mill.txt")
    assert "1 document" in titans("status").stdout


# what is kept before a change


def test_what_was_there_is_kept_before_import_restore_and_forget(tmp_path, export):
    home = fill(tmp_path / "home", OTHER_MILL)
    take(home, export)
    restore_snapshot(home, "auto-1")
    forget(home, ["mill.txt"])
    names = [row.snapshot.name for row in list_snapshots(home)]
    for reason in ("import", "restore", "forget"):
        assert sum(name.startswith(f"before-{reason}-") for name in names) == 1, names
    assert all(map(is_automatic, names))
    prune(home, keep=0)
    assert len(list_snapshots(home)) == 1


def test_nothing_is_kept_when_the_user_has_named_it_or_nothing_changes(tmp_path, export):
    home = fill(tmp_path / "home", MILL)
    create_snapshot(home, "before-cleanup")
    take(home, export)
    assert [row.snapshot.name for row in list_snapshots(home)] == ["auto-1", "before-cleanup", "auto-3"]
    take(home, export)
    assert len(list_snapshots(home)) == 3
    prune(home, keep=0)
    assert [row.snapshot.name for row in list_snapshots(home)] == ["before-cleanup", "auto-3"]


@pytest.mark.parametrize("name", ["auto-1", "auto-x", "before-import-20260102-030405-000006", "", " ", "a\nb"])
def test_users_cannot_choose_names_that_are_the_programs(tmp_path, name):
    with pytest.raises(UsageError, match="Choose another"):
        create_snapshot(fill(tmp_path / "home", MILL), name)


# refusals


def test_a_file_that_changes_after_it_was_checked_is_refused(tmp_path, export):
    home = fill(tmp_path / "home", OTHER_MILL)
    before, data = files(home), bytearray(export.read_bytes())
    place = data.index(b"PK\1\2") - 1  # in the last shard: the first is written, and must go again
    with open_exports([export], SHAPE, LARGEST) as exports, Store.open(home) as store:
        data[place] ^= 1
        with export.open("r+b") as file:
            file.write(data)
        with pytest.raises(DamagedError, match="changed during"):
            import_exports(store, exports, SHAPE.fingerprint)
    assert files(home) == before and not list((home / "shards").glob("*/.*"))


def test_a_full_disk_leaves_nothing(tmp_path, export, monkeypatch):
    home = fill(tmp_path / "home", OTHER_MILL)
    before, write = files(home), export_file.write_atomically

    def full(path, data):
        if len(list((home / "shards").rglob("*.safetensors"))) > 1:
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(export_file, "write_atomically", full)
    with pytest.raises(TitansError, match="No space left"):
        take(home, export)
    assert files(home) == before
    with pytest.raises(TitansError, match="No space left"):
        home = tmp_path / "new"
        (home / "shards").mkdir(parents=True)
        (home / "shards" / "a.safetensors").touch()
        (home / "shards" / "b.safetensors").touch()
        take(home, export)
    assert sorted(p.name for p in home.rglob("*")) == ["a.safetensors", "b.safetensors", "shards"]


def test_sizes_are_limited(tmp_path, export, monkeypatch, titans):
    with pytest.raises(UsageError, match="--max-size"):
        import_from(tmp_path / "home", [export], SHAPE, export.stat().st_size - 1)
    assert "--max-size" in titans("import", export, "--max-size", "0.000001", code=2).stderr
    free = namedtuple("Usage", "total used free")(10, 9, 1)
    monkeypatch.setattr(export_file.shutil, "disk_usage", lambda _: free)
    with pytest.raises(TitansError, match="Free some space"):
        take(tmp_path / "home", export)
    assert not (tmp_path / "home").exists() and not titans.home.exists()


def test_a_store_that_another_is_writing_to_stays(tmp_path, export, monkeypatch):
    home = tmp_path / "home"
    with Store.open(home, create=True) as store, store.locked():
        monkeypatch.setattr(Path, "exists", lambda path: path.name != "titans.db" and os.path.exists(path))  # made a moment later
        with pytest.raises(LockedError):
            take(home, export)
    assert os.path.exists(home / "titans.db")


def test_several_are_imported_together_or_not_at_all(tmp_path, export):
    broken = tmp_path / "broken.titans"
    broken.write_bytes(export.read_bytes()[:-1])
    home = fill(tmp_path / "home", OTHER_MILL)
    before = files(home)
    with pytest.raises(DamagedError, match=r"broken\.titans"):
        take(home, export, broken)
    assert files(home) == before
    other = exported(fill(tmp_path / "other", ("/x", "x", 4, 0)), tmp_path / "other.titans")
    take(home, export, other)
    assert len(memorized_at(home)) == 4
    assert sum(name.startswith("before") for name in (row.snapshot.name for row in list_snapshots(home))) == 1


@pytest.mark.parametrize("kind", ["folder", "pipe", "missing"])
def test_what_is_no_file_is_refused(tmp_path, kind):
    path = tmp_path / "x.titans"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(TitansError, match=r"x\.titans"):
        take(tmp_path / "home", path)
    assert not (tmp_path / "home").exists()


def test_a_damaged_shard_is_made_whole_by_importing_it_again(tmp_path, export):
    home = tmp_path / "home"
    take(home, export)
    shard = next(home.rglob("*.safetensors"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + b"x")
    take(home, export)
    assert shard.read_bytes() == whole


def test_what_could_not_be_imported_is_not_exported(tmp_path):
    home = fill(tmp_path / "home", ("/a\nb.txt", "a b.txt", 0, 0))
    with pytest.raises(TitansError, match="control characters"):
        export_to(home, tmp_path / "a.titans")
    assert not (tmp_path / "a.titans").exists()


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("newer", "Upgrade"),
        ("model", "other model weights"),
        ("numbers", "impossible"),
        ("control", "control characters"),
        ("unknown", "is an unknown file"),
        ("absolute", "is an unknown file"),
        ("gone", "do not match its shards"),
    ],
)
def test_refusals_say_what_is_wrong(tmp_path, way, words):
    with Store.open(fill(tmp_path / "source", MILL, SHIP)) as store:
        export = read_export(store, store.require_head())
    members = export.members()
    if way == "newer":
        members[0] = (members[0][0], members[0][1].replace(b'"format": 2', b'"format": 3, "more": []'))
    elif way == "model":
        members[0] = (members[0][0], members[0][1].replace(b"5eed" * 16, b"beef" * 16))
    elif way in ("numbers", "control"):
        changed = {"tokens": 2**63} if way == "numbers" else {"name": "\x1b]0;x\x07"}
        members = type(export)([row | changed for row in export.rows], export.shards).members()
    elif way == "gone":
        members = members[:-1]
    else:
        members.append(("/etc/passwd" if way == "absolute" else "text.txt", b"a text"))
    file = tmp_path / "a.titans"
    file.write_bytes(container(members))
    with pytest.raises(TitansError, match=words):
        take(tmp_path / "home", file)
    assert not (tmp_path / "home").exists()
