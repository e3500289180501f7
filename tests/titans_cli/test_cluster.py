"""Memorizing on a Ray cluster of two machines, each a Ray node of its own on this one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from titans_cli.store import Store

RUN = """
import json, os, sys
from pathlib import Path
from ray.cluster_utils import Cluster

from titans_cli.models import Models
from titans_cli.services.ingest import cluster
from titans_cli.services.ingest.request import Request
from titans_cli.services.ingest.run import ingest
from titans_cli.services.ingest.request import Unheard

home, docs, shared = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "shared"

class Killing(cluster.Actor):
    # Dies while it reads one document, once
    def memorize(self, source):
        if source.name.endswith("fatal.txt") and not Path(str(docs) + ".died").exists():
            Path(str(docs) + ".died").touch()
            os._exit(1)
        return super().memorize(source)

cluster.Actor = Killing
if not shared:
    cluster.Path.touch = lambda self, *a, **k: None  # no mark: actors see no shared folder
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
nodes.add_node(num_cpus=1)
result = ingest(home, Models(), [docs], Unheard(), Request(cluster=nodes.address, workers=2))
print(json.dumps([result.did.new, [str(error) for error in result.did.failed], result.snapshot.digest]))
nodes.shutdown()
"""


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.txt").write_text(f"The mill number {number} was built in 170{number} by Anna Berg. It burned down twice.")
    (folder / "fatal.txt").write_text("The ship Aurora sank near Cape Horn in 1871.")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and then nothing")
    return folder


def digest(titans):
    with Store.open(titans.home) as store:
        return store.require_head().digest


@pytest.mark.parametrize("storage", ["shared", "apart"])
def test_a_cluster_memorizes_what_one_machine_does(titans, docs, tmp_path, storage):
    done = subprocess.run(
        [sys.executable, "-c", RUN, tmp_path / "cluster", docs, storage], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    new, failed, made = json.loads(done.stdout.splitlines()[-1])
    assert new == 6 and len(failed) == 1 and "broken.pdf" in failed[0]
    assert Path(f"{docs}.died").exists()
    titans("ingest", docs, code=3)
    assert made == digest(titans)
    assert "0 new, 6 unchanged" in titans("ingest", docs, "--home", tmp_path / "cluster", code=3).output
    titans("check", "--read-data", "--home", tmp_path / "cluster")


def test_no_cluster_is_told(titans, docs):
    assert "no Ray cluster" in titans("ingest", docs, "--ray", "127.0.0.1:1", code=1).stderr
