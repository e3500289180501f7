"""What holds for the project as a whole: who imports whom, exact __all__, the README's words, the size of the weights."""

import ast
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import commands_of
from typer.main import get_command

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "model": {"ingest", "titans_cli", "sqlite3", "sqlite_utils", "rich", "typer"},
    "ingest": {"model", "titans_cli", "torch", "sqlite3", "sqlite_utils", "rich", "typer"},
}
MODULES = sorted(p for package in ("model", "ingest", "titans_cli") for p in (ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_packages_import_only_what_the_layout_allows():
    for package, forbidden in FORBIDDEN.items():
        for path in (ROOT / package).rglob("*.py"):
            assert not imports(path) & forbidden, path


def test_only_output_prints():
    for path in MODULES:
        if "output" not in path.parts and "training" not in path.parts:
            calls = {n.func.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
            assert "print" not in calls, path


@pytest.mark.parametrize("name", ["model", "model.titans", "ingest", "titans_cli.store", "titans_cli.output"])
def test_all_is_exact(name):
    package = importlib.import_module(name)
    tree = ast.parse(Path(package.__file__).read_text())
    body = [*tree.body, *(node for block in tree.body if isinstance(block, ast.If) for node in block.body)]  # of TYPE_CHECKING
    given = (node for node in body if isinstance(node, ast.ImportFrom) and node.module.startswith((name, "model.config")))
    imported = {alias.asname or alias.name for node in given for alias in node.names}
    assert all(hasattr(package, name) for name in imported)
    assert sorted(package.__all__) == sorted(imported)


def test_readme_shows_every_command():
    from titans_cli.app import app

    readme = (ROOT / "README.md").read_text()
    for name, command in get_command(app).commands.items():
        assert command.help, name
        assert re.search(rf"^titans {name}\b", readme, re.MULTILINE), name


def test_weights_fit():
    assert sum(p.stat().st_size for p in (ROOT / "model" / "weights").iterdir()) <= 64_000_000


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["ask", "--nonsense"], ["--version"]])
def test_help_loads_no_torch(arguments):
    run = "try:\n  from titans_cli.app import app; app()\nexcept SystemExit: pass"
    check = f"import sys; sys.argv[1:] = {arguments}\n{run}\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=ROOT, capture_output=True)


def test_importing_the_program_loads_little():
    code = "import sys, titans_cli.app; assert not {'torch', 'rich.progress', 'sqlite_utils'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_tables_of_benchmarks_are_those_of_what_was_measured():
    checked = subprocess.run([sys.executable, "bench/tables.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_examples_in_the_help_can_be_typed(tmp_path, monkeypatch):
    from titans_cli.app import app

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
