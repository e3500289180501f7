"""What --json prints has the keys that docs/json.md promises, and every command that can has it."""

import json
import re
from pathlib import Path

import pytest
from conftest import Titans, make_documents
from typer.main import get_command

from titans_cli.app import LazyCommand, app

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
EXAMPLES = {
    name: json.loads(text) for name, text in re.findall(r"^```json ([^\n]+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
}
WITHOUT = {"chat", "mcp", "serve"}
"""Commands that have none: for people alone, and those that speak a protocol of their own."""


def shape(value: object) -> object:
    """The keys of objects, in order, and what is in them; of a list, those of its first element."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return (
        ""
        if isinstance(value, str | Path)
        else type(value).__name__
        if isinstance(value, bool)
        else "number"
        if value is not None
        else None
    )


def fits(told: object, promised: object) -> bool:
    """Whether two shapes are alike; an empty list and null fit any list and value."""
    if isinstance(told, dict) and isinstance(promised, dict):
        return list(told) == list(promised) and all(fits(told[key], promised[key]) for key in told)
    if isinstance(told, list) and isinstance(promised, list):
        return not told or not promised or fits(told[0], promised[0])
    return told is None or promised is None or told == promised


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> dict[str, dict]:
    """What each command of a session prints."""
    root = tmp_path_factory.mktemp("json")
    titans, other = Titans(root / "home"), Titans(root / "other")
    documents = make_documents(root / "docs")
    (documents / "bad.pdf").write_bytes(b"no PDF")
    question = "Who is the author of bzip2?"
    told: dict[str, dict] = {}

    def run(name: str, *arguments: object, code: int = 0, by: Titans = titans) -> None:
        told[name] = json.loads(by(*name.split(), *arguments, "--json", code=code).stdout)

    told["error"] = json.loads(titans("status", "--json", code=10).stderr)
    run("ingest --dry-run", documents)
    run("ingest", documents, code=3)
    run("ask", question)
    run("ask --why --context 1", question)
    run("recite", "Four score and")
    run("history")
    run("remember", "The spare key is under the flowerpot.")
    run("status")
    run("surprise", documents / "gettysburg-address.txt")
    run("overview")
    run("check")
    run("doctor")
    run("migrate")
    run("snapshot create", "before")
    run("forget", "aesop")
    run("snapshot list")
    run("snapshot diff", "before")
    run("snapshot restore", "before")
    run("snapshot delete", told["snapshot restore"]["before"]["name"])
    run("export", root / "a.titans")
    run("merge", root / "a.titans", "--into", root / "b.titans")
    run("import", root / "b.titans", by=other)
    told["imported"] = json.loads(other("ask", "--json", question).stdout)
    run("prune", "--keep", "0")
    return told


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_keys_are_those_of_the_documentation(printed, name):
    promised, told = shape(EXAMPLES[name]), shape(printed[name])
    assert fits(told, promised), (told, promised)
    assert printed[name]["version"] == 1


def test_imported_memories_are_labelled(printed):
    assert printed["imported"]["evidence"][0]["imported"] is True
    assert "imported" not in printed["ask"]["evidence"][0]


def test_every_command_has_it_and_is_documented():
    def commands(group, before=""):
        for name, command in group.commands.items():
            command = command.load() if isinstance(command, LazyCommand) else command
            if hasattr(command, "commands"):
                yield from commands(command, f"{before}{name} ")
            else:
                yield before + name, command

    documented = {name.split(" --")[0] for name in EXAMPLES} | {"watch"}
    for name, command in commands(get_command(app)):
        has = any("--json" in parameter.opts for parameter in command.params)
        assert has is (name not in WITHOUT), name
        assert (name in documented) is has, name


def test_output_is_one_line_of_ascii(memorized):
    line = memorized("ask", "--json", "What did the Fox say about the grapes? ünïcödé").stdout
    assert line.isascii() and line.count("\n") == 1
