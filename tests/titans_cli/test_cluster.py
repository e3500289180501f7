"""Memorizing on a Ray cluster of two machines, each a Ray node of its own on this one."""

import json
import subprocess
import sys

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

folder, docs = Path(sys.argv[1]), Path(sys.argv[2])


class Killing(cluster.Actor):
    # Dies while it reads one document, once for each store
    def __init__(self, home, mark, options):
        self.died = home.with_suffix(".died")
        super().__init__(home, mark, options)

    def memorize(self, source):
        if source.name.endswith("fatal.txt") and not self.died.exists():
            self.died.touch()
            os._exit(1)
        return super().memorize(source)


cluster.Actor = Killing
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
nodes.add_node(num_cpus=1)
for storage in ("shared", "apart"):
    if storage == "apart":
        cluster.Path.touch = lambda self, *a, **k: None  # no mark: actors see no shared folder
    result = ingest(folder / storage, Models(), [docs], Unheard(), Request(cluster=nodes.address, workers=2))
    print(json.dumps([storage, result.did.new, [str(error) for error in result.did.failed], result.snapshot.digest]))
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


def test_a_cluster_memorizes_what_one_machine_does(titans, docs, tmp_path):
    """With a folder that all its machines see, and with one that the actors do not."""
    done = subprocess.run([sys.executable, "-c", RUN, tmp_path, docs], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    titans("ingest", docs, code=3)
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert [storage for storage, *_ in results] == ["shared", "apart"]
    for storage, new, failed, made in results:
        assert new == 6 and len(failed) == 1 and "broken.pdf" in failed[0]
        assert (tmp_path / f"{storage}.died").exists()
        assert made == digest(titans)
        assert "0 new, 6 unchanged" in titans("ingest", docs, "--home", tmp_path / storage, code=3).output
        titans("check", "--read-data", "--home", tmp_path / storage)


def test_no_cluster_is_told(titans, docs):
    assert "Cannot connect to a Ray cluster at '127.0.0.1:1'" in titans("ingest", docs, "--ray", "127.0.0.1:1", code=1).stderr
