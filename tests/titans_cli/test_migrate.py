"""Memories that older weights wrote, carried over to the present ones."""

import shutil
from dataclasses import replace

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ingest import Document, SourceError
from model.weights_file import WEIGHTS
from titans_cli.models import Models
from titans_cli.services.ingest.request import Unheard
from titans_cli.services.ingest.run import ingest
from titans_cli.services.migrate import recited_document
from titans_cli.services.transfer import import_from
from titans_cli.store import Store, read_shard, shard_path


@pytest.fixture
def old(tmp_path):
    """Weights that differ a little from those shipped."""
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    path = folder / "memorizer.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["class_bias"] += 0.01
    save_file(tensors, path, metadata)
    return folder


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "mill.txt").write_text("The mill at Lund was built in 1702 by Anna Berg — “for ever”. It burned down twice.\n\n" * 20)
    (folder / "ship.txt").write_text("The ship Aurora sank near Cape Horn in 1871. Nine sailors were saved.")
    return folder


def test_memories_are_carried_over_to_new_weights(titans, docs, old, tmp_path):
    ingest(titans.home, Models(old), [docs], Unheard())
    assert "other model weights" in titans("ask", "When was the mill built?", code=13).stderr
    assert "--weights" in titans("migrate", code=2).stderr
    assert "2 documents" in titans("migrate", "--weights", old).stderr
    with Store.open(titans.home) as store:
        migrated = store.require_head()
        assert [s.name.startswith("before-migrate") for s in store.snapshots()].count(True) == 1
    titans("ingest", docs, "--home", tmp_path / "other")
    with Store.open(tmp_path / "other") as store:
        assert store.require_head().digest == migrated.digest
    titans("check", "--read-data")
    assert "up to date" in titans("migrate", "--weights", old).stderr
    assert "1702" in titans("ask", "When was the mill at Lund built?", "--min-confidence", "0").output


def test_a_damaged_shard_is_told(titans, docs, old):
    result = ingest(titans.home, Models(old), [docs], Unheard())
    with Store.open(titans.home) as store:
        document = next(d for d in store.documents(result.snapshot) if d.name.endswith("ship.txt"))
        path = shard_path(titans.home, document.shard)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "damaged" in titans("migrate", "--weights", old, code=12).stderr


def test_what_is_not_recited_any_more_is_told(copied):
    models = Models()
    with Store.open(copied.home) as store:
        document = store.documents(store.require_head())[0]
    shard = read_shard(copied.home, document.shard)
    assert isinstance(recited_document(models, document, shard), Document)
    told = recited_document(models, document, replace(shard, checksums=shard.checksums ^ 1))
    assert isinstance(told, SourceError) and f"{shard.memories} of {shard.memories} memories" in told.reason


def test_two_machines_files_of_one_path_are_both_carried_over(titans, docs, old, tmp_path):
    models, other, export = Models(old), tmp_path / "other", tmp_path / "other.titans"
    ingest(other, models, [docs], Unheard())
    titans("export", export, "--home", other)
    (docs / "ship.txt").write_text("The ship Aurora reached Cape Horn in 1872, with all her sailors.")
    ingest(titans.home, models, [docs], Unheard())
    import_from(titans.home, [export], models.shape, 10**9)
    assert "3 documents" in titans("migrate", "--weights", old).stderr
    with Store.open(titans.home) as store:
        assert [d.name for d in store.documents(store.require_head())] == ["docs/mill.txt", "docs/ship.txt", "docs/ship.txt"]


def test_other_weights_than_those_that_wrote_are_refused(titans, docs, old, tmp_path):
    ingest(titans.home, Models(old), [docs], Unheard())
    assert "written with other model weights" in titans("migrate", "--weights", WEIGHTS, code=13).stderr
