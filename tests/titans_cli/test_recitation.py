"""Memories recited from an index and from a shard: the same, and each compared with its checksum."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import titans_cli
from titans_cli.models import Models
from titans_cli.services.recitation import recite_many, recite_memories, recite_shard
from titans_cli.store import Store, open_index, read_shard


@pytest.fixture(scope="module")
def models():
    return Models()


@pytest.fixture(scope="module")
def index(memorized):
    with Store.open(memorized.home) as store:
        return open_index(store, store.require_head())


def test_an_index_and_a_shard_recite_the_same(memorized, models, index):
    number, document = next((i, d) for i, d in enumerate(index.documents) if d.name.endswith("gettysburg-address.txt"))
    first, stop = int(index.starts[number]), int(index.starts[number + 1])
    of_shard = list(recite_shard(models, read_shard(memorized.home, document.shard)))
    of_index = list(recite_many(models, index, range(first, stop)))
    assert [replace(recited, memory=recited.memory - first) for recited in of_index] == of_shard
    assert all(recited.verbatim for recited in of_shard)
    assert "".join(recited.text for recited in of_shard).split()[:2] == ["The", "Gettysburg"]
    for recited in of_shard:
        assert "".join(recited.text[start:end] for start, end in recited.sentences) == recited.text


def test_a_memory_with_another_checksum_is_not_verbatim(memorized, models, index):
    shard = read_shard(memorized.home, index.documents[0].shard)
    checksums = shard.checksums.copy()
    checksums[-1, 0] ^= 1
    recited = list(recite_shard(models, replace(shard, checksums=checksums)))
    assert [memory.verbatim for memory in recited] == [True] * (len(recited) - 1) + [False]


def test_nothing_is_recited_where_nothing_is_asked_for(models, index):
    assert recite_memories(models, index, []) == []
    assert list(recite_many(models, index, [])) == []


def test_only_one_module_recites_and_verifies():
    root = Path(titans_cli.__file__).parent
    reciting = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "model":
                reciting |= {str(path.relative_to(root)) for alias in node.names if alias.name in ("recite", "checksum")}
    assert reciting == {"services/recitation.py"}
