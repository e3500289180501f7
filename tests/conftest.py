"""Every test has a home of its own; one memorized home is shared, read only."""

import shutil
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter
from typer.testing import CliRunner

from titans_cli.app import app

SAMPLES = Path(__file__).parents[1] / "titans_cli" / "samples"


class Titans:
    """Runs commands against one home."""

    def __init__(self, home: Path):
        self.home = home

    def __call__(self, *arguments: object, code: int = 0, stdin: str | None = None):
        """Run a command, check its exit code and return what it printed."""
        result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin, env={"TITANS_HOME": str(self.home), "COLUMNS": "200"})
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def files(self) -> dict[str, bytes]:
        """Every file of the home by its path, but the lock."""
        return {str(p.relative_to(self.home)): p.read_bytes() for p in sorted(self.home.rglob("*")) if p.is_file() and p.name != ".lock"}


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
