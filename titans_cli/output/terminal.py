"""Printing: stdout is data, stderr is progress and warnings.

Text from documents, file names, titles, manifests, questions and language models passes ``sanitize``, and then goes to Rich as ``Text``,
which knows no markup.
"""

import json
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

from rich.console import Console
from rich.segment import Segments
from rich.style import Style
from rich.table import Table
from rich.text import Text

from titans_cli.output.sanitize import plain, words

__all__ = [
    "NARROW",
    "Mode",
    "bar",
    "contract",
    "copy_text",
    "counted",
    "err",
    "link",
    "local",
    "megabytes",
    "mode",
    "no_color",
    "out",
    "print_error",
    "print_json",
    "print_note",
    "roomy",
    "say",
    "shortened",
    "show",
    "show_table",
    "some",
    "where",
    "working",
]

WIDE = 10_000
NARROW = 60
"""Columns of a terminal from which tables are shown with all that there is to say."""
VERSION = 1
"""Of everything that --json prints; see docs/json.md."""


@dataclass
class Mode:
    """The user's choices for output; set once a command."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False


mode = Mode()
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def where(document: str, page: int | None = None) -> str:
    """A document's name, and the page in it."""
    return words(document) + (f", page {page}" if page is not None else "")


def link(path: str, page: int | None = None) -> Style:
    """A style that links text to a file if the terminal can; a plain one if there is no such file on this machine."""
    if out.is_terminal and not path.startswith(("//", "\\\\")):  # asking for a share would ask its server
        try:
            file = Path(path)
            if file.is_absolute() and file.is_file():
                return Style(link=file.as_uri() + (f"#page={page}" if page is not None and file.suffix.lower() == ".pdf" else ""))
        except (OSError, ValueError):  # no path, such as standard input
            pass
    return Style()


def bar(share: float, width: int) -> str:
    """A bar of at most ``width`` characters, for a share of 0 to 1."""
    full = round(max(0.0, min(1.0, share)) * width)
    return "█" * full + "░" * (width - full)


def show(text: Text, indent: int = 0, console: Console | None = None) -> None:
    """Print ``text`` on ``console``, by default stdout: wrapped and indented on a terminal, as long lines elsewhere."""
    console = console or out
    if console.is_terminal:
        for line in text.wrap(console, max(8, console.width - indent)):
            line.rstrip()
            console.print(Text(" " * indent) + line, soft_wrap=True)
    else:
        console.print(Text(" " * indent) + text, soft_wrap=True)


def tell(message: str, style: str = "") -> None:
    """Print ``message`` on stderr. Indented lines stay indented where they are wrapped."""
    for line in plain(message).split("\n"):
        body = line.lstrip(" ")
        show(Text(body, style=style), len(line) - len(body), err)


def show_table(table: Table) -> None:
    """Print a table: as wide as the terminal on a terminal, in full width elsewhere."""
    if out.is_terminal:
        out.print(table)
    else:  # given a width, print would take the smaller one of it and the console's
        out.print(Segments(out.render(table, out.options.update(width=WIDE))), crop=False, end="")


def roomy(width: int) -> bool:
    """Whether a line of ``width`` characters fits."""
    return not out.is_terminal or out.width >= width


def shortened(text: str, most: int) -> str:
    """``words`` of ``text``, cut to ``most`` characters."""
    line = words(text)
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def counted(number: int, noun: str) -> str:
    """A number with its noun in singular or plural."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def local(time: str) -> str:
    """A UTC time in local time."""
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}"


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def some(items: Sequence[object], most: int = 5) -> str:
    """The first of ``items``, with … if there are more."""
    return ", ".join(map(str, items[:most])) + (" …" if len(items) > most else "")


def print_error(message: str, code: int = 1) -> None:
    """Print one line on stderr, or an object with --json."""
    if mode.json:
        facts = {"version": VERSION, "error": plain(message), "exit_code": code}
        sys.stderr.write(json.dumps(facts) + "\n")
    else:
        tell(message, "red")


def print_note(message: str) -> None:
    """Print a remark on stderr; not with --quiet or --json."""
    if not (mode.quiet or mode.json):
        tell(message, "dim")


def say(message: str) -> None:
    """Print what a command did, on stderr; not with --quiet."""
    if not mode.quiet:
        tell(message)


def print_json(facts: dict[str, Any]) -> None:
    """Print one object on one line of stdout. ASCII: the same in every locale, without control characters."""
    sys.stdout.write(json.dumps({"version": VERSION, **facts}, default=os.fspath) + "\n")
    sys.stdout.flush()


Shown = ParamSpec("Shown")


def contract(facts: Callable[Shown, dict[str, Any]]) -> Callable[[Callable[Shown, None]], Callable[Shown, None]]:
    """Decorates a function that shows a result: with --json, ``facts`` of the result are printed instead."""

    def decorate(show: Callable[Shown, None]) -> Callable[Shown, None]:
        @wraps(show)
        def shown(*result: Shown.args, **named: Shown.kwargs) -> None:
            if mode.json:
                print_json(facts(*result, **named))
            else:
                show(*result, **named)

        return shown

    return decorate


def no_color() -> bool:
    """Whether $NO_COLOR is set."""
    return out.no_color


def working(what: str) -> AbstractContextManager[object]:
    """Show a spinner on stderr while something runs, if that is a terminal."""
    if mode.quiet or mode.json or not err.is_terminal:
        return nullcontext()
    return err.status(Text(f"{what} …", style="dim"), spinner="dots" if (err.encoding or "").lower().startswith("utf") else "line")


def copy_text(text: str) -> None:
    """Copy ``text`` to the clipboard as one line without control characters, so that pasting it into a shell runs nothing."""
    safe = words(text)
    try:
        import pyperclip

        pyperclip.copy(safe)
        print_note("Copied.")
    except Exception:  # there is no clipboard, such as on another machine: ask the terminal (OSC 52)
        if not err.is_terminal:
            print_note("Not copied: there is no clipboard here.")
            return
        sys.stderr.write(f"\x1b]52;c;{b64encode(safe.encode()).decode()}\x07")
        sys.stderr.flush()
        print_note("Handed to the terminal to be copied.")
