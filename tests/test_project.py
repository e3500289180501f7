"""What holds for the project as a whole: who imports whom, exact __all__, the README's words, the size of the weights."""

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import commands_of
from typer.main import get_command

import titans_cli
from titans_cli.app import COMMANDS, app

ROOT = Path(__file__).parents[1]
PACKAGES = ("model", "ingest", "titans_cli")
SOURCES = {path: ast.parse(path.read_text()) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
LINES_OF_A_MODULE = 350
LINES_OF_A_FUNCTION = 60

DATABASES = {"sqlite3", "sqlite_utils"}
SCREENS = {"rich", "typer", "prompt_toolkit"}
FORBIDDEN = {
    "model": {"ingest", "titans_cli", *DATABASES, *SCREENS},
    "ingest": {"model", "titans_cli", "torch", *DATABASES, *SCREENS},
    "titans_cli.store": {"model", "torch", *SCREENS},
    "titans_cli.services": SCREENS,
}
"""Packages from outside that a package of ours may not import."""
ALLOWED = {
    "errors": set(),
    "settings": set(),
    "encoding": set(),
    "interruption": set(),
    "shell": set(),
    "store": {"errors"},
    "fingerprint": {"settings", "store"},
    "models": {"errors", "fingerprint", "store"},
    "services": {"encoding", "errors", "models", "session", "settings", "shell", "store"},
    "session": {"errors", "models", "services", "store"},
    "output": {"encoding", "errors", "services", "shell", "store"},
    "chat": {"encoding", "errors", "interruption", "output", "services", "session", "store"},
    "servers": {"encoding", "errors", "output", "services", "session", "store"},
    "commands": {"chat", "errors", "fingerprint", "models", "output", "servers", "services", "session", "settings", "store"},
    "app": {"commands", "encoding", "errors", "interruption", "output"},
}
"""What each part of the program may import of the others."""


def name_of(path: Path) -> str:
    """A module's name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMES = {name_of(path) for path in SOURCES}


def imports(path: Path) -> set[str]:
    """All modules that a module imports, at whatever place: also inside functions, and for type checkers alone."""
    found = set()
    for node in ast.walk(SOURCES[path]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, path
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (members & NAMES) or {node.module}
    return found


def test_packages_import_only_what_the_layout_allows():
    wrong = []
    for path in SOURCES:
        for package, forbidden in FORBIDDEN.items():
            if name_of(path) == package or name_of(path).startswith(f"{package}."):
                wrong += [(name_of(path), found) for found in imports(path) if found.split(".")[0] in forbidden]
    assert not wrong


def test_parts_of_the_program_import_only_what_lies_below_them():
    wrong = []
    for path in (ROOT / "titans_cli").rglob("*.py"):
        part = path.relative_to(ROOT / "titans_cli").with_suffix("").parts[0]
        others = {found.split(".")[1] for found in imports(path) if found.startswith("titans_cli.")}
        wrong += [(name_of(path), other) for other in others - {part} - ALLOWED.get(part, {"app"})]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle():
    imported = {name_of(path): imports(path) & NAMES for path in SOURCES}
    while leaves := [name for name, others in imported.items() if not others & imported.keys()]:
        for name in leaves:
            del imported[name]
    while roots := imported.keys() - {other for others in imported.values() for other in others}:
        for name in roots:
            del imported[name]
    assert not imported


def test_modules_and_functions_are_short():
    long = []
    for path, tree in SOURCES.items():
        lines = len(path.read_text().splitlines())
        long += [(name_of(path), lines)] * (lines > LINES_OF_A_MODULE)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                long += [(f"{name_of(path)}.{node.name}", lines)] * (lines > LINES_OF_A_FUNCTION)
    assert not long


def test_only_output_prints():
    for path, tree in SOURCES.items():
        if not name_of(path).startswith(("titans_cli.output.", "model.training.")):
            calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
            assert "print" not in calls, path


def test_settings_alone_reads_the_programs_environment_variables():
    for path, tree in SOURCES.items():
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        if name_of(path) != "titans_cli.settings":
            assert not {text for text in strings if re.fullmatch("TITANS_[A-Z_]+", text)}, path


@pytest.mark.parametrize("name", ["model", "model.titans", "ingest", "titans_cli.store", "titans_cli.output"])
def test_all_is_exact(name):
    package = importlib.import_module(name)
    tree = ast.parse(Path(package.__file__).read_text())
    body = [*tree.body, *(node for block in tree.body if isinstance(block, ast.If) for node in block.body)]  # of TYPE_CHECKING
    given = (node for node in body if isinstance(node, ast.ImportFrom) and node.module.startswith((name, "model.config")))
    imported = {alias.asname or alias.name for node in given for alias in node.names}
    assert all(hasattr(package, name) for name in imported)
    assert sorted(package.__all__) == sorted(imported)


def test_the_table_of_commands_says_what_their_help_says():
    for name, command in get_command(app).commands.items():
        assert command.load().help.split("\n\n")[0] == command.help, name
        assert command.load().name == name


def test_readme_shows_every_command():
    readme = (ROOT / "README.md").read_text()
    for name, command in get_command(app).commands.items():
        assert command.help, name
        assert re.search(rf"^titans {name}\b", readme, re.MULTILINE), name


def test_what_is_to_be_installed_has_the_name_of_the_distribution():
    given = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version(given["name"]) == given["version"] == titans_cli.__version__
    for path in (*SOURCES, ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for found in re.findall(r"[\w-]+(?=\[(?:all|bench|llm|mcp|ray|serve|test|train)\])|(?<=--upgrade )[\w-]+", path.read_text()):
            assert found == given["name"], path


def test_weights_fit():
    assert sum(p.stat().st_size for p in (ROOT / "model" / "weights").iterdir()) <= 160_000_000


def loaded_by(arguments: list[str], home: Path | None = None) -> set[str]:
    """The modules that are loaded once a command has run in a process of its own."""
    run = "import sys\ntry:\n  from titans_cli.app import app; app()\nexcept SystemExit as left:\n  code = left.code"
    code = f"{run}\nprint(*sys.modules, file=sys.stderr)\nsys.exit(code)"
    environment = {**os.environ, "TITANS_HOME": str(home or ROOT / "none")}
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == (2 if "--nonsense" in arguments else 0), done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        *([name, "--help"] for name in (name for panel in COMMANDS.values() for name in panel)),
        ["ask", "--nonsense"],
    ],
)
def test_help_and_wrong_usage_load_no_model(arguments):
    loaded = loaded_by(arguments)
    assert "torch" not in loaded
    commands = {name.removeprefix("titans_cli.commands.") for name in loaded if name.startswith("titans_cli.commands.")}
    assert commands <= {"options", "completion", arguments[0].replace("import", "import_")}  # of commands, only what is used


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["history"],
        ["doctor"],
        ["check"],
        ["prune", "--dry-run"],
        ["snapshot", "list"],
        ["forget", "aesop.html", "--dry-run"],
        ["ingest", str(ROOT / "docs"), "--dry-run"],
    ],
)
def test_what_only_looks_at_the_store_loads_no_torch(arguments, copied):
    assert "torch" not in loaded_by(arguments, copied.home)


def test_loading_the_models_does_not_load_the_compiler_of_torch():
    load = "import sys; from titans_cli.models import Models; Models(device='cpu').load()"
    code = f"{load}; assert not {{'sympy', 'torch._dynamo'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_importing_the_program_loads_little():
    code = "import sys, titans_cli.app; assert not {'torch', 'numpy', 'rich', 'sqlite_utils'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_tables_of_benchmarks_are_those_of_what_was_measured():
    checked = subprocess.run([sys.executable, "bench/tables.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_examples_in_the_help_can_be_typed(tmp_path, monkeypatch):
    (tmp_path / "old" / "model" / "weights").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for names, command in commands_of(get_command(app)):
        assert command.callback.examples, names
        for example in command.callback.examples:
            typed = shlex.split(re.split(r" [|>] ", example[example.index("titans ") :])[0])[1:]
            if "mcp add" in example:
                typed = typed[2:]
            assert tuple(typed[: len(names)]) == names, example
            command.make_context(names[-1], typed[len(names) :])
