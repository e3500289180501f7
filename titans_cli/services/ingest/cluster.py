"""Memorize on a Ray cluster: actors hold the models, extract and write documents, and hand back only what is to be recorded.

Where the store's folder is the same for an actor as for this process, the actor puts its shards there itself. Only this process
writes the catalog, so an ingest can be interrupted and goes on like any other, and its memories are those of a single machine.
"""

import logging
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from ingest import Extractor, Options, Source, SourceError
from titans_cli.errors import TitansError, TooNewError
from titans_cli.models import Models
from titans_cli.services.ingest.encode import learn, memorize_documents
from titans_cli.services.ingest.request import Progress, Request, Unheard
from titans_cli.services.ingest.result import Learned
from titans_cli.store import keep_shard

__all__ = ["cluster_learner"]

RESTARTS = 3
"""Times that an actor and its task are restarted after its machine or process was lost."""

CONNECTING_SECONDS = 5.0

Outcome = tuple[Learned | SourceError, bytes | None]
"""What to record, and the shard if the actor could not write it into the store."""


class Actor:
    """Memorizes documents on one core. The file ``mark`` tells whether the store's folder is shared."""

    def __init__(self, home: Path, mark: Path, options: Options):
        torch.set_num_threads(1)
        self.home = home if mark.exists() else None
        self.models = Models()
        self.models.load()
        self.extractor = Extractor(options)

    def fingerprint(self) -> str:
        return self.models.fingerprint

    def memorize(self, source: Source) -> Outcome:
        (outcome,) = memorize_documents(self.models, self.extractor.documents([source]), Unheard())
        if isinstance(outcome, SourceError):
            return outcome, None
        learned, data = learn(outcome, self.models.fingerprint)
        if self.home is None:
            return learned, data
        keep_shard(self.home, learned.document.shard, data)
        return learned, None


@contextmanager
def cluster_learner(home: Path, fingerprint: str, progress: Progress, request: Request) -> Iterator["Cluster"]:
    """Memorize on the Ray cluster that ``request`` names ("local": a new one on this machine).

    The number of actors is that of ``request``, or one per core. Raises TitansError if there is no Ray or no such cluster, TooNewError if
    an actor has other model weights.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise TitansError('Ray is not installed. Install it: pip install "titans-cli[ray]"') from error
    try:
        knock(request.cluster)
        ray.init(address=request.cluster, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises nearly anything here
        raise TitansError(
            f"Cannot connect to a Ray cluster at {request.cluster!r} ({str(error).splitlines()[0]}). Check the address."
        ) from error
    mark = home / "shards" / "00" / f".shared-{secrets.token_hex(8)}.part"  # a killed ingest's is taken away like other unfinished files
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        yield Cluster(home, mark, fingerprint, progress, request)
    finally:
        ray.shutdown()
        mark.unlink(missing_ok=True)


def knock(address: str | None) -> None:
    """Raise OSError if nobody listens at HOST:PORT, because Ray itself would keep trying for a long time."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), CONNECTING_SECONDS).close()


class Cluster:
    """Actors of a Ray cluster, started on first use. Call it to memorize."""

    def __init__(self, home: Path, mark: Path, fingerprint: str, progress: Progress, request: Request):
        self.home, self.mark, self.fingerprint, self.progress = home, mark, fingerprint, progress
        self.options, self.workers = request.options, request.workers
        self.actors: list = []

    def start(self, most: int) -> None:
        import ray

        count = min(self.workers or int(ray.cluster_resources().get("CPU", 1)), most)
        make = ray.remote(num_cpus=1, max_restarts=RESTARTS, max_task_retries=RESTARTS)(Actor).remote
        self.actors += [make(self.home, self.mark, self.options) for _ in range(count - len(self.actors))]
        for theirs in ray.get([actor.fingerprint.remote() for actor in self.actors]):
            if theirs != self.fingerprint:
                raise TooNewError(
                    f"A machine of the cluster has other model weights ({theirs[:12]}, here {self.fingerprint[:12]}). Install this one."
                )

    def __call__(self, sources: Sequence[Source]) -> Iterator[tuple[Source, Learned | SourceError]]:
        """Yield what to record for each of ``sources``, as they are finished; their shards are then in the store."""
        import ray

        self.start(len(sources))
        todo, idle = list(reversed(sources)), list(self.actors)
        running: dict = {}
        while todo or running:
            while todo and idle:
                actor, source = idle.pop(), todo.pop()
                running[actor.memorize.remote(source)] = actor, source
            (done,), _ = ray.wait(list(running))
            actor, source = running.pop(done)
            idle.append(actor)
            try:
                outcome, data = ray.get(done)
            except ray.exceptions.RayError as error:
                why = str(error).splitlines()[0]
                outcome, data = (
                    SourceError(source.path, f"was skipped: the cluster lost it {RESTARTS + 1} times ({why}).", "corrupt"),
                    None,
                )
            if isinstance(outcome, SourceError) and source.data is None and source.path.is_file() and outcome.kind == "unreadable":
                todo.append(Source(source.path, source.name, source.path.read_bytes()))  # the actor's machine has no such file
                continue
            if isinstance(outcome, Learned):
                if data is not None:
                    keep_shard(self.home, outcome.document.shard, data)
                self.progress.file(source.name, outcome.document.pages, outcome.document.source_bytes)
                self.progress.page(outcome.document.pages, outcome.document.tokens, 1.0)
            yield source, outcome
