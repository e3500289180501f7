"""Lists every help text and message of the program, with its file and line: python tests/strings.py [PART_OF_A_PATH ...]

Found in the source: docstrings, help and examples of commands, the table of commands, messages of errors, and what is printed or
returned by the modules that write for people. What an f-string inserts is shown in braces.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Message", "messages"]

ROOT = Path(__file__).parents[1]
PACKAGES = ("titans_cli", "ingest", "model")
FOR_PEOPLE = ("titans_cli/output", "titans_cli/chat", "titans_cli/servers")
"""All text of more than a word that is written there is for people, or for the assistants that they use."""
HELP = {"help", "epilog", "metavar", "prompt"}
"""Keyword arguments that are shown."""
SHOWN = {"Problem", "command", "echo", "explain", "failing", "prompt", "require", "say", "tell", "working", "full", "closed"}
"""Functions whose arguments are shown, beside those that are called print_… and classes of errors."""
NO_MESSAGE = re.compile(r"[\s\W\d]*|[\w.:/-]*[\w:/-]")
"""Punctuation, or one word that is no sentence."""


class Message(NamedTuple):
    """One text for people."""

    path: str  # from the root of the project
    line: int
    kind: str  # "help", "docstring", "error" or "text"
    text: str  # on one line


def messages(packages: tuple[str, ...] = PACKAGES) -> list[Message]:
    """Every help text and message of ``packages``, by file and line, each place once."""
    paths = [path for package in packages for path in (ROOT / package).rglob("*.py") if "training" not in path.parts]  # for developers
    names = [path.relative_to(ROOT).as_posix() for path in paths]
    return sorted({message for name in names for message in of_module(name, (ROOT / name).read_text("utf-8"))})


def of_module(name: str, source: str) -> Iterator[Message]:
    """The texts of one module, given its path from the root and its source."""
    tree = ast.parse(source)
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part is not node}
    said = not_shown(tree)
    for node, kind, expression in [*shown(tree), *written_for_people(tree, name)]:
        for text in texts(expression):
            if id(text) not in inner and id(text) not in said:
                line = " ".join(literal(text).split())
                if kind == "help" or not NO_MESSAGE.fullmatch(line):
                    yield Message(name, getattr(text, "lineno", node.lineno), kind, line)
    if name.startswith(("titans_cli/commands/", "titans_cli/servers/", "titans_cli/app")):
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.decorator_list and (text := ast.get_docstring(function)):
                yield Message(name, function.body[0].lineno, "docstring", " ".join(text.split()))


def not_shown(tree: ast.Module) -> set[int]:
    """Texts that stand alone as statements, and regular expressions."""
    found = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "re":
            found |= {id(part) for argument in node.args[:1] for part in ast.walk(argument)}
    return found


def shown(tree: ast.Module) -> Iterator[tuple[ast.AST, str, ast.expr]]:
    """Arguments that are shown to people, and the table of commands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "COMMANDS" for target in targets):
                yield node, "help", node.value
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg in HELP:
                yield node, "help", keyword.value
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        error = function.endswith(("Error", "Exit")) and function != "Exit"
        if error or function in SHOWN or function.startswith("print_"):
            kind = "error" if error else "help" if function == "command" else "text"
            for argument in [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg not in HELP)]:
                yield node, kind, argument


def written_for_people(tree: ast.Module, name: str) -> Iterator[tuple[ast.AST, str, ast.expr]]:
    if name.startswith(FOR_PEOPLE):
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                yield node, "text", node


def texts(expression: ast.expr) -> Iterator[ast.expr]:
    """Strings within an expression, at whatever depth; one that is written in several pieces is one."""
    for node in ast.walk(expression):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            yield node


def literal(node: ast.expr) -> str:
    """The text, with what is inserted in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.JoinedStr)
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else "{" + ast.unparse(part.value) + "}"
        for part in node.values
        if isinstance(part, ast.Constant | ast.FormattedValue)
    )


def main() -> None:
    for message in messages():
        if not sys.argv[1:] or any(part in message.path for part in sys.argv[1:]):
            print(f"{message.path}:{message.line}: {message.kind}: {message.text}")


if __name__ == "__main__":
    main()
