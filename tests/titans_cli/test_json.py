"""What --json prints has the keys that docs/json.md promises, and every command that can has it."""

import json
import re
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import SAMPLES, Titans, commands_of, make_documents
from pypdf import PdfReader, PdfWriter
from typer.main import get_command

from ingest import SourceError
from titans_cli.app import app
from titans_cli.output import json_output
from titans_cli.services.ingest.result import IngestResult, Tally
from titans_cli.services.migrate import Migration
from titans_cli.services.novelty.report import Surprise
from titans_cli.store import Snapshot

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
EXAMPLES = {
    name: json.loads(text) for name, text in re.findall(r"^```json ([^\n]+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
}
WITHOUT = {"chat", "mcp", "serve"}
"""Commands that have none: for people alone, and those that speak a protocol of their own."""


MAY_BE_NULL = {"answer", "answer_kind", "before", "budget", "known", "page", "pages", "snapshot"}
"""Keys that docs/json.md says may be null, or that are null where a document has no pages."""
ALWAYS_NULL = {"remember.document.pages"}


def problems(told: object, promised: object, where: str, seen: set[str]) -> list[str]:
    """In what an output differs from an example: other keys or another order, another type, null or an example that shows nothing.

    Every element of a list is compared. ``seen`` gets the places that hold a value.
    """
    if promised in (None, []):
        return [] if where in ALWAYS_NULL and told is None else [f"{where}: the example shows nothing"]
    if told is None:
        return [] if where.rpartition(".")[2] in MAY_BE_NULL else [f"{where}: null"]
    if told != []:
        seen.add(where)
    if isinstance(promised, dict):
        if not isinstance(told, dict) or list(told) != list(promised):
            return [f"{where}: {told} has not the keys of {promised}"]
        return [found for key in promised for found in problems(told[key], promised[key], f"{where}.{key}", seen)]
    if isinstance(promised, list):
        if not isinstance(told, list):
            return [f"{where}: {told} is no list"]
        return [found for element in told for found in problems(element, promised[0], f"{where}[]", seen)]
    return [] if kind(told) is kind(promised) else [f"{where}: {told!r} is not like {promised!r}"]


def kind(value: object) -> type:
    """The type of a scalar; whole numbers are numbers."""
    return float if type(value) is int else type(value)


def places(promised: object, where: str) -> set[str]:
    """All places of an example, those of a list's first element too."""
    if isinstance(promised, dict):
        return {where}.union(*(places(value, f"{where}.{key}") for key, value in promised.items()))
    if isinstance(promised, list):
        return {where} | places(promised[0], f"{where}[]")
    return set() if where in ALWAYS_NULL else {where}


@pytest.mark.parametrize(
    ("told", "promised"),
    [
        ({"text": None}, {"text": ""}),
        ({"text": []}, {"text": ""}),
        ({"text": "x"}, {"text": None}),
        ({"rows": None}, {"rows": [1]}),
        ({"rows": [1, "x"]}, {"rows": [1]}),
        ({"rows": [[]]}, {"rows": [{"a": 1}]}),
        ({"rows": [1]}, {"rows": []}),
        ({"b": 1, "a": 1}, {"a": 1, "b": 1}),
        ({"a": True}, {"a": 1}),
        ({"a": 1, "b": 1}, {"a": 1}),
    ],
)
def test_what_differs_from_an_example_is_found(told, promised):
    assert problems(told, promised, "x", set())


class Session:
    """Commands against homes; ``told`` keeps by example's name all that they printed."""

    def __init__(self, titans: Titans):
        self.titans = titans
        self.told: defaultdict[str, list[dict]] = defaultdict(list)

    def __call__(self, name: str, *arguments: object, code: int = 0, by: Titans | None = None) -> dict:
        output = json.loads((by or self.titans)(*name.split(), *arguments, "--json", code=code).stdout)
        self.told[name].append(output)
        return output

    def made(self, name: str, facts: dict) -> None:
        """What would be printed of a result that is hard to bring about."""
        self.told[name].append(json.loads(json.dumps({"version": 1, **facts}, default=str)))


def make_varied_documents(folder: Path) -> Path:
    """The usual ones, a text in an old encoding, a page without text and a file that is no PDF."""
    make_documents(folder)
    (folder / "bad.pdf").write_bytes(b"no PDF")
    (folder / "old.txt").write_bytes("Das Café in Düsseldorf öffnet früh; die Gäste mögen heiße Schokolade.\n".encode("cp1252") * 3)
    writer = PdfWriter()
    writer.add_page(PdfReader(SAMPLES / "bzip2-manual.pdf").pages[2])
    writer.add_blank_page()
    writer.write(folder / "scan.pdf")
    return folder


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> dict[str, list[dict]]:
    """What each command of a session prints."""
    root = tmp_path_factory.mktemp("json")
    titans, other = Titans(root / "home"), Titans(root / "other")
    documents = make_varied_documents(root / "docs")
    question = "Who is the author of bzip2?"
    run = Session(titans)
    run.told["error"] = [json.loads(titans("status", "--json", code=10).stderr)]
    run("ingest --dry-run", documents)
    run("ingest", documents, code=3)
    run("ask", question)
    run("ask", "Who won the football match?")
    run("ask", question, "--min-confidence", "1")
    run("ask --why --context 1", question)
    run("ask --why --context 1", question, "--min-confidence", "1")
    run("recite", "Four score and")
    run("recite", "block-sorting text compression")
    run("history")
    run("remember", "The spare key is under the flowerpot.")
    run("status")
    (root / "draft.txt").write_text("Four score and nine years ago our fathers brought forth on this continent a new nation. Bees hum.")
    run("surprise", root / "draft.txt")
    run("surprise", documents / "scan.pdf")
    run("overview")
    run("check")
    run("doctor")
    run("migrate")
    run("snapshot create", "before")
    change(documents)
    run("ingest --dry-run", documents, root / "nowhere")
    run("ingest", documents, "--prune-missing", code=3)
    run("snapshot diff", "before")
    run("forget --dry-run", "bzip2.pdf")
    run("forget", "bzip2.pdf")
    run("snapshot list")
    run("snapshot delete", run("snapshot restore", "before")["before"]["name"])
    run("export", root / "a.titans")
    run("merge", root / "a.titans", "--into", root / "b.titans")
    run("import", root / "b.titans", by=other)
    run.told["imported"] = [json.loads(other("ask", "--json", question).stdout)]
    keep_little_and_damage(run, other, root)
    run("prune", "--keep", "0")
    make_what_is_rare(run, documents)
    return run.told


def change(documents: Path) -> None:
    """One file each is new, changed, moved, copied and gone."""
    (documents / "new.txt").write_text("The admiral keeps seven parrots in the third cabin.")
    (documents / "old.txt").write_text("The café is closed.")
    (documents / "bill-of-rights.md").rename(documents / "rights.md")
    shutil.copy(documents / "bzip2.pdf", documents / "copy.pdf")
    (documents / "aesop.html").unlink()


def keep_little_and_damage(run: Session, titans: Titans, root: Path) -> None:
    """A budget that is a byte less than what is memorized; then a shard is damaged."""
    (root / "small.txt").write_text("The lamp is green.")
    run("ingest", root / "small.txt", "--budget", run("status", by=titans)["bytes"] - 1, by=titans)
    run("status", by=titans)
    shard = next(titans.home.glob("shards/*/*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-1])
    run("check", by=titans, code=12)
    run("doctor", by=titans)
    run("doctor", "--fix", by=titans)


def make_what_is_rare(run: Session, documents: Path) -> None:
    """A page that is not read in time, and a migration to other weights."""
    snapshot = Snapshot(1, "x", None, "2026-01-01T00:00:00+00:00", "f" * 64, "d" * 64)
    failed = SourceError(documents / "bad.pdf", "is not a readable PDF", "corrupt")
    run.made("migrate", json_output.of_migrated(Migration(1, (failed,), snapshot, snapshot)))
    tally = Tally(unread_pages=(("docs/slow.pdf", ((7, "took more than 20 s"),)),))
    run.made("ingest", json_output.of_ingest(IngestResult(tally, False, 1.0, snapshot, True)))
    run.made("surprise", json_output.of_surprise(Surprise("slow.pdf", (), (), 0, (), ((7, "took more than 20 s"),), 5)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_all_that_is_printed_has_the_keys_and_types_of_the_documentation(printed, name):
    seen: set[str] = set()
    found = [problem for told in printed[name] for problem in problems(told, EXAMPLES[name], name, seen)]
    assert found == []
    assert all(told["version"] == 1 for told in printed[name])
    assert places(EXAMPLES[name], name) - seen == set()  # each place of the example held a value once


def test_imported_memories_are_labelled(printed):
    assert printed["imported"][0]["evidence"][0]["imported"] is True
    assert "imported" not in printed["ask"][0]["evidence"][0]


def test_every_command_has_it_and_is_documented():
    documented = {name.split(" --")[0] for name in EXAMPLES} | {"watch"}
    for names, command in commands_of(get_command(app)):
        name = " ".join(names)
        has = any("--json" in parameter.opts for parameter in command.params)
        assert has is (name not in WITHOUT), name
        assert (name in documented) is has, name


def test_output_is_one_line_of_ascii(memorized):
    line = memorized("ask", "--json", "What did the Fox say about the grapes? ünïcödé").stdout
    assert line.isascii() and line.count("\n") == 1
