"""Every test has a home of its own; one memorized home is shared, read only."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before torch is loaded, and for the processes that tests start: two test processes share the cores, and waiting threads sleep.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "TOKENIZERS_PARALLELISM": "false"}

import pytest
from hypothesis import settings
from pypdf import PdfReader, PdfWriter
from typer.testing import CliRunner
from unprivileged import UNPRIVILEGED

from titans_cli.app import app

settings.register_profile("fixed", derandomize=True, deadline=None)  # the same examples each time, however busy the machine is
settings.load_profile("fixed")

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "titans_cli" / "samples"


class Titans:
    """Runs commands against one home."""

    def __init__(self, home: Path):
        self.home = home

    def __call__(self, *arguments: object, code: int = 0, stdin: str | None = None):
        """Run a command, check its exit code and return what it printed."""
        result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin, env={"TITANS_HOME": str(self.home), "COLUMNS": "200"})
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def unprivileged(self, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command in a process that may read no more than its permissions say, also where root runs the tests."""
        command = [*UNPRIVILEGED, "-m", "titans_cli", *map(str, arguments)]
        environment = {**os.environ, "TITANS_HOME": str(self.home), "COLUMNS": "200"}
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def files(self) -> dict[str, bytes]:
        """Every file of the home by its path, but the lock."""
        return {str(p.relative_to(self.home)): p.read_bytes() for p in sorted(self.home.rglob("*")) if p.is_file() and p.name != ".lock"}


def commands_of(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its names, those of groups too."""
    for name, command in group.commands.items():
        loaded = command.load() if hasattr(command, "load") else command
        if hasattr(loaded, "commands"):
            yield from commands_of(loaded, (*before, name))
        else:
            yield (*before, name), loaded


@pytest.fixture
def titans(tmp_path) -> Titans:
    return Titans(tmp_path / "home")


def make_documents(folder: Path) -> Path:
    """The samples, with the first six pages of the PDF."""
    folder.mkdir()
    for name in ("gettysburg-address.txt", "bill-of-rights.md", "aesop.html"):
        shutil.copy(SAMPLES / name, folder)
    writer = PdfWriter()
    for page in PdfReader(SAMPLES / "bzip2-manual.pdf").pages[:6]:
        writer.add_page(page)
    writer.write(folder / "bzip2.pdf")
    return folder


@pytest.fixture(scope="session")
def memorized(tmp_path_factory) -> Titans:
    """A home that has memorized ``make_documents``; the documents are deleted afterwards."""
    root = tmp_path_factory.mktemp("memorized")
    documents = make_documents(root / "docs")
    titans = Titans(root / "home")
    titans("ingest", documents)
    shutil.rmtree(documents)
    return titans


@pytest.fixture
def copied(memorized, tmp_path) -> Titans:
    """A home of one's own with the same memories, where nothing was asked yet."""
    shutil.copytree(memorized.home, tmp_path / "home", ignore=shutil.ignore_patterns("history.db*"))
    return Titans(tmp_path / "home")
