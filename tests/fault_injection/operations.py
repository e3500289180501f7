"""The commands that change a store, each with the store that it starts from, and what a store must be like afterwards."""

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from lab import Ended, Fault, fork

from ingest import Document, Options, Source, SourceError, read_document
from titans_cli.app import app
from titans_cli.models import Models
from titans_cli.services.ingest import encode as memorize_module
from titans_cli.services.ingest import run as ingest_module
from titans_cli.services.maintenance import check
from titans_cli.store import History, Store, Turn, now, shard_path

__all__ = ["OPERATIONS", "Operation", "Workshop"]

TEXTS = {
    "mill.txt": "The mill at Lund was built in 1702 by Anna Berg. It burned down twice, and was built again each time.",
    "ship.txt": "The ship Aurora sank near Cape Horn in 1871. Nine sailors were saved by a whaler from Nantucket.",
    "bees.md": "# Bees\n\nA hive of forty thousand bees makes sixty pounds of honey in a good year. The zyxomma keeps it.",
    "tower.html": "<html><body><p>The tower of Orla has 211 steps and one bell, which was cast in Ghent in 1533.</p></body></html>",
}
TRACES = (b"bees.md", b"zyxomma")
"""What must be nowhere once bees.md is forgotten everywhere."""


@dataclass(frozen=True)
class Operation:
    """A command, the store that it starts from, its exit code, and that of running it again once it has done its work."""

    name: str
    start: str
    arguments: tuple[str, ...]
    code: int = 0
    again: tuple[int, ...] = ()


OPERATIONS = (
    Operation("ingest", "none", ("ingest", "DOCS"), 3),
    Operation("ingest of changes", "base", ("ingest", "DOCS", "--prune-missing"), 3),
    Operation("forget", "kept", ("forget", "bees.md"), 0, (2,)),
    Operation("forget everywhere", "kept", ("forget", "bees.md", "--everywhere"), 0, (2,)),
    Operation("prune", "old", ("prune", "--keep", "1")),
    Operation("import", "none", ("import", "EXPORT")),
    Operation("import and merge", "base", ("import", "EXPORT")),
    Operation("restore", "kept", ("snapshot", "restore", "keep")),
    Operation("snapshot create", "base", ("snapshot", "create", "new"), 0, (2,)),
    Operation("snapshot delete", "kept", ("snapshot", "delete", "keep"), 0, (2,)),
    Operation("doctor --fix", "damaged", ("doctor", "--fix")),
)


class InProcess:
    """Extracts in this process: a spawned worker would take a second of every experiment."""

    def __init__(self, options: Options, workers: int):
        self.options = options

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_: object) -> None: ...
    def start(self) -> None: ...

    def documents(self, sources: list[Source]):
        for source in sources:
            yield self.extract(source)

    def extract(self, source: Source) -> Document | SourceError:
        try:
            return read_document(source, self.options)
        except SourceError as error:
            return error


def remembered(function: Callable) -> Callable:
    """``function`` of models and plain values, computed once for each: what it computes is not what is tested here."""
    known: dict[str, object] = {}

    def run(model: object, *values: object) -> object:
        key = repr([value for value in values if isinstance(value, list)])
        if key not in known:
            known[key] = function(model, *values)
        return known[key]

    return run


class Workshop:
    """Stores to start from, below ``work``, and experiments with copies of them."""

    def __init__(self, work: Path):
        self.work = work
        self.docs, self.home, self.export = work / "docs", work / "home", work / "other.titans"
        torch.set_num_threads(1)
        Models().load()  # once, for all forks
        ingest_module.Extractor = InProcess  # type: ignore[misc, assignment]
        memorize_module.memorize = remembered(memorize_module.memorize)
        memorize_module.encode_sentences = remembered(memorize_module.encode_sentences)
        self.make_stores()
        self.expected = {operation.name: self.undisturbed(operation) for operation in OPERATIONS}

    def titans(self, *arguments: str, home: Path | None = None, code: int = 0) -> None:
        """Run a command in this process, which learns by it what forks shall know."""
        try:
            app([*arguments, "--home", str(home or self.home)], prog_name="titans")
        except SystemExit as leaving:
            assert (leaving.code or 0) == code, (arguments, leaving.code)

    def make_stores(self) -> None:
        for folder in (self.docs, self.work / "start", self.work / "others"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.export.unlink(missing_ok=True)
        other, base = self.work / "start" / "other", self.work / "start" / "base"
        for name, text in (("well.txt", "The well of Marn is ninety feet deep."), ("mill.txt", TEXTS["mill.txt"])):
            (self.work / "others" / name).write_text(text)
        self.titans("ingest", str(self.work / "others"), home=other)
        self.titans("export", str(self.export), home=other)
        for name, text in TEXTS.items():
            (self.docs / name).write_text(text)
        self.titans("ingest", str(self.docs), home=base)
        self.make_old(base)
        self.make_damaged(base)
        (self.docs / "mill.txt").write_text(TEXTS["mill.txt"].replace("twice", "three times"))
        (self.docs / "ship.txt").rename(self.docs / "vessel.txt")
        (self.docs / "tower.html").unlink()
        (self.docs / "honey.md").write_text(TEXTS["bees.md"])
        (self.docs / "new.txt").write_text("The admiral keeps seven parrots in the third cabin.")
        (self.docs / "empty.txt").write_text("")
        kept = self.copy("base", self.work / "start" / "kept")
        self.titans("snapshot", "create", "keep", home=kept)
        with History.open(kept) as history:  # what bees.md has answered goes with it
            asked = "What keeps a hive of forty thousand bees?"
            history.add(Turn("", now(), asked, asked, "The zyxomma", 0.9, ((str(self.docs / "bees.md"), "docs/bees.md", None),)))
        (self.docs / "honey.md").unlink()  # what is forgotten shall have no twin
        self.titans("ingest", str(self.docs), home=kept, code=3)
        (self.docs / "honey.md").write_text(TEXTS["bees.md"])

    def make_old(self, base: Path) -> None:
        old = self.copy("base", self.work / "start" / "old")
        for number in range(3):
            (self.docs / "mill.txt").write_text(f"The mill at Lund was built in 170{number}.")
            self.titans("ingest", str(self.docs), home=old)
        (self.docs / "mill.txt").write_text(TEXTS["mill.txt"])
        (old / "shards" / "00").mkdir(exist_ok=True)
        (old / "shards" / "00" / ".x.safetensors.1.part").write_bytes(b"x" * 1000)
        (old / "cache" / ".y.1.part").mkdir()
        (old / "cache" / ".y.1.part" / "vectors.npy").write_bytes(b"y" * 1000)

    def make_damaged(self, base: Path) -> None:
        damaged = self.copy("base", self.work / "start" / "damaged")
        with Store.open(damaged) as store:
            (document,) = (d for d in store.documents(store.require_head()) if d.path.endswith("ship.txt"))
        path = shard_path(damaged, document.shard)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)

    def copy(self, start: str, home: Path | None = None) -> Path:
        """A copy of the store ``start``."""
        target = home or self.home
        shutil.rmtree(target, ignore_errors=True)
        if start != "none":
            shutil.copytree(self.work / "start" / start, target)
        return target

    def arguments(self, operation: Operation) -> list[str]:
        places = {"DOCS": str(self.docs), "EXPORT": str(self.export)}
        return [places.get(word, word) for word in operation.arguments]

    def undisturbed(self, operation: Operation) -> dict:
        """What the store is like after the operation, how long it took, and the calls that it made; and the head before."""
        self.copy(operation.start)
        before = head_of(self.home)
        self.titans(*self.arguments(operation), code=operation.code)
        state = state_of(self.home)
        assert before != state["head"] or operation.name in ("prune", "snapshot create", "snapshot delete"), operation.name
        ended = self.run(operation)
        assert ended.code == operation.code, (operation, ended)
        again = self.look(operation)
        assert again["state"] == state and not again["wrong"], (operation, again, state)
        return {"state": state, "before": before, "seconds": ended.seconds, "calls": ended.calls}

    def run(self, operation: Operation, fault: Fault | None = None, at: int = 0, seconds: float | None = None) -> Ended:
        """Start the operation on a fresh copy, with that fault."""
        self.copy(operation.start)
        words = [*self.arguments(operation), "--home", str(self.home)]
        facts = {} if fault is None else {"fault": fault, "at": at}
        return fork(self.work, lambda: app(words, prog_name="titans"), self.home, seconds=seconds, **facts)

    def look(self, operation: Operation) -> dict:
        """What the store is like, and what is wrong with it before anything mends it; opened by another process."""
        ended = fork(self.work, lambda: {"state": state_of(self.home), "wrong": wrong_with(self.home, operation)})
        if not isinstance(ended.result, dict):
            return {"state": None, "wrong": [ended.said]}
        return ended.result

    def repeat(self, operation: Operation) -> list[str]:
        """Run the operation again, undisturbed, and say in what the store differs from one that never was disturbed."""
        words = [*self.arguments(operation), "--home", str(self.home)]
        ended = fork(self.work, lambda: app(words, prog_name="titans"))
        if ended.code not in (operation.code, *operation.again):
            return [f"run again, it ends with {ended.code}: {ended.said}"]
        found = self.look(operation)
        wanted = self.expected[operation.name]["state"]
        wrong = found["wrong"] + [f"{key} differs" for key in wanted if not found["state"] or found["state"][key] != wanted[key]]
        if operation.name == "forget everywhere":
            files = [path.read_bytes() for path in self.home.rglob("*") if path.is_file()]
            wrong += [f"{trace!r} is still there" for trace in TRACES for data in files if trace in data]
        checked = fork(self.work, lambda: app(["check", "--read-data", "--sample", "2", "--home", str(self.home)], prog_name="titans"))
        if checked.code:
            wrong.append(f"check --read-data: {checked.said}")
        return wrong


def head_of(home: Path) -> list | None:
    if not (home / "titans.db").exists():
        return None
    with Store.open(home) as store:
        head = store.head()
        return None if head is None else [head.digest, sorted([d.path, d.name, d.shard] for d in store.documents(head))]


def state_of(home: Path) -> dict:
    """All that two stores must agree in."""
    if not (home / "titans.db").exists():
        return {"head": None, "files": sorted(str(p) for p in home.rglob("*"))}
    with Store.open(home) as store:
        # times stand in the names of what is kept before a change
        snapshots = [[re.sub(r"(before-[a-z]+)-.*", r"\1", s.name), s.digest, len(store.documents(s))] for s in store.snapshots()]
        failures = [[failure.path, failure.kind] for failure in store.bookkeeping.failures()]
        shards = store.shards()
    files = {}
    for path in home.rglob("*"):
        if path.is_file() and path.name != ".lock" and not path.name.startswith(("titans.db", "history.db")):
            files[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    # an index of a snapshot may be there or not: it is made when it is needed; one of what was forgotten may not
    indexes = tuple(f"cache/{digest}/" for _, digest, _ in snapshots)
    kept = {name: digest for name, digest in files.items() if not name.startswith(indexes)}
    return {"head": head_of(home), "snapshots": snapshots, "failures": failures, "shards": shards, "files": kept}


def wrong_with(home: Path, operation: Operation) -> list[str]:
    """What ``check`` with every byte read finds, but what killed runs may leave, and damage that was there before."""
    if not (home / "titans.db").exists() or (head_of(home) is None and operation.start == "none"):
        return []
    return [problem.what for problem in check(home, read_data=True) if not problem.harmless and operation.start != "damaged"]
