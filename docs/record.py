"""Records docs/screens: real runs of the program on its sample documents, as a person sees them.

    make screens

Every scene is written as an SVG, and all of them as text to session.txt, which tests/test_screens.py compares with a new recording:
what the program prints and what is shown here are the same. The README shows the first of it. Folders, dates and digests, which differ
from run to run, are replaced.
"""

import argparse
import contextlib
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
SCREENS = ROOT / "docs" / "screens"
WIDTH = 92
"""Columns of the terminal."""

Lines = tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """Commands as they are typed, and in a chat the lines that are typed there. Left out where the program has not all ``needs``."""

    name: str
    commands: Lines
    chat: Lines = ()
    needs: Lines = ()


GRAPES = "What did the fox say about the grapes?"
NOTE = "Slow but steady wins the race. A Crow perishing with thirst saw a bottle. The museum of Lyon bought the pitcher in 1931.\n"
"""Known, half known, and new."""
SCENES = (
    Scene("ingest", ("titans ingest ./samples",)),
    Scene("ask", ('titans ask "Who is the author of bzip2?"', 'titans ask "Who won the football match?"')),
    Scene("why", (f'titans ask "{GRAPES}" --why',)),
    Scene(
        "chat",
        ("titans chat",),
        (
            "Who translated Aesop's Fables?",
            "When did he translate them?",
            "/docs bzip2",
            "/soucres",
            "/remember The spare key is in the barn.",
            "Where is the spare key?",
            "/quit",
        ),
    ),
    Scene("status", ("titans status",)),
    Scene("surprise", ("titans surprise note.txt",), needs=("surprise",)),
    Scene("overview", ("titans overview",), needs=("overview",)),
)

STABLE = (
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "2026-01-31 09:30:00"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d(?!:\d)\b", "2026-01-31 09:30"),
    (r"\b(?=[a-f]*\d)[0-9a-f]{12}\b", "0123456789ab"),
)
"""Dates and digests, and what stands for them: as long, so that lines break at the same places. Seconds are those of the recording."""


README = ROOT / "README.md"
PLACE = re.compile(r"(?<=<!-- session: make screens -->\n).*?(?=<!-- end of session -->)", re.DOTALL)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--into", type=Path, default=SCREENS, help="folder to write to")
    into = arguments.parse_args().into
    record(into)
    if into == SCREENS:
        README.write_text(PLACE.sub(lambda _: newcomer(), README.read_text("utf-8")), "utf-8")


def newcomer() -> str:
    """The beginning of the recorded session, as the README shows it."""
    begin = (SCREENS / "session.txt").read_text("utf-8").partition('\n$ titans ask "What did')[0]
    return f"```text\n{begin}```\n"


def record(folder: Path) -> None:
    """Run all scenes one after the other on one memory, and write what they show to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    told = []
    with tempfile.TemporaryDirectory() as temporary, stage(Path(temporary)):
        for scene in SCENES:
            if known(scene.needs):
                text, svg = play(scene, Path(temporary))
                told.append(text)
                (folder / f"{scene.name}.svg").write_text(svg, "utf-8")
    (folder / "session.txt").write_text("\n".join(told), "utf-8")


@contextlib.contextmanager
def stage(root: Path) -> Iterator[None]:
    """A working folder with the samples in it and a home of its own; consoles that record, and nothing that moves on the screen."""
    from titans_cli import output

    (root / "note.txt").write_text(NOTE, "utf-8")
    shutil.copytree(ROOT / "titans_cli" / "samples", root / "samples")
    before = Path.cwd()
    environment = {"TITANS_HOME": str(root / "titans"), "TITANS_HISTORY": "on", "TZ": "UTC", "NO_COLOR": ""}
    still = mock.patch.multiple(output, IngestBar=Still, working=lambda _: contextlib.nullcontext())
    try:
        os.chdir(root)
        with mock.patch.dict(os.environ, environment), still, recording():
            yield
    finally:
        os.chdir(before)
        time.tzset()


class Still:
    """A progress bar that is not there, as when all is done."""

    def __enter__(self) -> "Still":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """Both consoles are one that records. They are changed in place: many modules hold them by name."""
    from rich.console import Console

    from titans_cli.output.terminal import err, out

    console = Console(
        file=StringIO(), record=True, width=WIDTH, height=50, force_terminal=True, color_system="truecolor", legacy_windows=False,
        no_color=False, highlight=False, markup=False, emoji=False,
    )  # fmt: skip
    before = out.__dict__, err.__dict__
    out.__dict__ = err.__dict__ = vars(console)
    try:
        yield
    finally:
        out.__dict__, err.__dict__ = before


def known(commands: Lines) -> bool:
    from typer.main import get_command

    from titans_cli.app import app

    return set(commands) <= set(get_command(app).commands)  # type: ignore[attr-defined]


def play(scene: Scene, root: Path) -> tuple[str, str]:
    """What a scene shows, as text and as SVG."""
    from rich.text import Text

    from titans_cli.output.terminal import out

    for number, command in enumerate(scene.commands):
        out.print(Text.assemble("\n" if number else "", ("$ ", "bold green"), (command, "bold")))
        run(command, scene.chat)
    settle(out._record_buffer, root)
    text = out.export_text(clear=False)
    svg = out.export_svg(title=re.sub(' ".*?"', "", scene.commands[0]), unique_id=f"titans-{scene.name}", code_format=frame())
    return re.sub(r" +$", "", text, flags=re.MULTILINE), svg


def run(command: str, lines: Lines) -> None:
    """Run a command in this process; in a chat, type ``lines``."""
    from titans_cli.app import app

    with mock.patch("titans_cli.chat.prompt.Prompt.read", Typist(lines)):
        try:
            app(shlex.split(command)[1:])
        except SystemExit as left:
            assert left.code == 0, (command, left.code)


class Typist:
    """Stands for ``Prompt.read``: types line after line, and shows them as a terminal does."""

    def __init__(self, lines: Lines):
        self.lines = iter(lines)

    def __call__(self) -> str:
        from rich.text import Text

        from titans_cli.chat.prompt import PROMPT
        from titans_cli.output.terminal import out

        line = next(self.lines)
        out.print(Text.assemble(PROMPT, (line, "bold")))
        return line


def settle(segments: list, root: Path) -> None:
    """Replace in what was recorded all that differs from run to run."""
    for at, segment in enumerate(segments):
        text = segment.text.replace(str(root), "~")
        for pattern, stable in STABLE:
            text = re.sub(pattern, stable, text)
        link = segment.style.update_link(None) if segment.style is not None and segment.style.link else segment.style
        segments[at] = segment._replace(text=text, style=link)


def frame() -> str:
    """Rich's picture of a terminal, without fonts from elsewhere: a viewer shows its own."""
    from rich._export_format import CONSOLE_SVG_FORMAT

    own = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return own.replace("Fira Code, monospace", "Fira Code, Menlo, Consolas, DejaVu Sans Mono, monospace")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
