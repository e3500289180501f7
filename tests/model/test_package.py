"""The shape of the package: who imports whom, no circles, nothing too long."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "model"
SOURCES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in PACKAGE.rglob("*.py")
}
ALLOWED = {
    "titans": {"titans"},
    "memorizer": {"memorizer", "titans"},
    "recall": {"recall"},
    "reader": {"reader", "recall"},
    "training": {"training", "memorizer", "reader", "recall", "titans"},
}
"""Which folders each folder may import; everything may import the modules beside them."""


def imports(module: str) -> set[str]:
    """Modules of the package that a module imports, anywhere in it; the package itself imports when a name is first used."""
    nodes = [] if module == "model" else ast.walk(ast.parse(SOURCES[module].read_text()))
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "model"}


def folder(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ALLOWED else None


def test_folders_import_only_what_the_layout_allows():
    for module in SOURCES:
        allowed = {None, *ALLOWED.get(folder(module) or "", set())}
        assert {folder(other) for other in imports(module)} <= allowed, module


def test_no_import_goes_in_a_circle():
    list(TopologicalSorter({module: imports(module) - {module} for module in SOURCES}).static_order())


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_modules_and_functions_are_short(module):
    source = SOURCES[module].read_text()
    assert len(source.splitlines()) <= 350
    long = [n.name for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef) and n.end_lineno - n.lineno >= 60]
    assert long == []
