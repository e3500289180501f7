"""Files to segments: nothing is lost, and what cannot be read says why."""

import io
import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from unprivileged import UNPRIVILEGED

from ingest import Document, Page, Source, SourceError, find_sources, read_document, segments
from ingest.sentences import sentence_spans

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "titans_cli" / "samples"


def read(path: Path) -> Document:
    return read_document(Source(path, path.name))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("aA .!?\n\t\"'。5é"), max_size=200))
def test_sentences_cover_the_text_without_gaps(text):
    spans = sentence_spans(text)
    assert "".join(text[a:b] for a, b in spans) == text
    assert all(a < b for a, b in spans)


def test_sentences_end_where_people_end_them():
    text = "It was finished in 1889, after two years. Dr. Smith paid 3.5 million for it, they say! A new line\n\nis a new paragraph."
    assert [text[a:b].strip() for a, b in sentence_spans(text)] == [
        "It was finished in 1889, after two years.",
        "Dr. Smith paid 3.5 million for it, they say!",
        "A new line",
        "is a new paragraph.",
    ]


@pytest.mark.parametrize(
    "whole", ["By J. R. Tolkien it was.", "See Fig. 3 and Eq. 5 for it.", "Chapter 5. It began.", "He met Capt. Cook, e.g. in May."]
)
def test_abbreviations_and_short_pieces_end_no_sentence(whole):
    text = f"Mary got milk. {whole} John went on."
    assert [text[a:b].strip() for a, b in sentence_spans(text)] == ["Mary got milk.", whole, "John went on."]


def test_sentences_are_found_in_linear_time():
    begun = time.monotonic()
    sentence_spans("A. " * 100_000)
    assert time.monotonic() - begun < 5


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=300), min_size=1, max_size=4), st.integers(1, 40))
def test_segments_hold_every_token_once_and_never_cross_a_page(texts, longest):
    pages = tuple(Page(i + 1, text) for i, text in enumerate(texts))
    document = Document(Source(Path("x"), "x"), "", 0, pages)
    made = list(segments(document, lambda s: list(s.encode()), longest))
    assert all(0 < sum(map(len, s.sentences)) <= longest for s in made)
    for page in pages:
        held = b"".join(bytes(sentence) for s in made if s.page == page.number for sentence in s.sentences)
        assert held == page.text.encode()


def test_pdf_keeps_its_page_numbers():
    document = read(SAMPLES / "bzip2-manual.pdf")
    numbers = [page.number for page in document.pages]
    assert len(numbers) + len(document.empty_pages) == len(PdfReader(SAMPLES / "bzip2-manual.pdf").pages) == 38
    assert sorted([*numbers, *document.empty_pages]) == list(range(1, 39))
    assert "Burrows-Wheeler" in next(p.text for p in document.pages if p.number == 4)


def test_html_loses_its_navigation_and_keeps_its_text():
    (page,) = read(SAMPLES / "aesop.html").pages
    assert page.text.startswith("Three of Aesop's Fables")
    assert "Slow but steady wins the race." in page.text
    assert "Fox Hare Crow" not in page.text and "<p>" not in page.text


@pytest.mark.parametrize(
    "data", ["Grüße, Welt".encode(), "Grüße, Welt".encode("utf-8-sig"), "Grüße, Welt".encode("utf-16"), "Grüße, Welt".encode("cp1252")]
)
def test_text_is_decoded(tmp_path, data):
    (tmp_path / "a.txt").write_bytes(data)
    assert read(tmp_path / "a.txt").pages[0].text == "Grüße, Welt"


def test_encrypted_pdf_without_password_is_read_and_with_one_refused(tmp_path):
    for password in ("", "secret"):
        writer = PdfWriter(clone_from=SAMPLES / "bzip2-manual.pdf")
        writer.encrypt(password, "owner", algorithm="AES-256")
        writer.write(tmp_path / f"{password}.pdf")
    assert len(read(tmp_path / ".pdf").pages) > 30
    with pytest.raises(SourceError, match="encrypted"):
        read(tmp_path / "secret.pdf")


def make_scanned(path: Path) -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(path)


BAD = {
    "empty.txt": (lambda p: p.write_bytes(b""), "is empty"),
    "blank.md": (lambda p: p.write_text(" \n\n "), "is empty"),
    "binary.txt": (lambda p: p.write_bytes(b"\xff\x00\x01\xfe" * 9), "not text"),
    "junk.pdf": (lambda p: p.write_bytes(b"This is no PDF at all"), "not a readable PDF"),
    "empty.pdf": (lambda p: p.write_bytes(b""), "not a readable PDF"),
    "cut.pdf": (lambda p: p.write_bytes((SAMPLES / "bzip2-manual.pdf").read_bytes()[:3000]), "not a readable PDF|no page"),
    "scanned.pdf": (make_scanned, "OCR"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_say_what_is_wrong(tmp_path, name):
    make, reason = BAD[name]
    make(tmp_path / name)
    with pytest.raises(SourceError, match=reason) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in caught.value.reason


def test_folders_are_walked_in_order_without_hidden_and_unknown_files(tmp_path):
    for name in ("b.txt", "a.md", ".hidden.txt", "c.png", "sub/d.rst", ".git/e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    os.symlink(tmp_path / "b.txt", tmp_path / "sub" / "same.txt")
    sources, problems = find_sources([tmp_path, tmp_path / "b.txt", tmp_path / "missing"])
    assert [s.name for s in sources] == [f"{tmp_path.name}/{name}" for name in ("a.md", "b.txt", "sub/d.rst")]
    assert [p.reason for p in problems] == ["does not exist. Check the path."]


def names(*paths, **patterns):
    sources, problems = find_sources(paths, **patterns)
    return sorted(source.name.partition("/")[2] for source in sources), [problem.kind for problem in problems]


def test_links_that_loop_are_followed_once(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.txt").write_text("x")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "self.txt").symlink_to(tmp_path / "self.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    assert names(tmp_path) == (["a/b/c.txt"], [])
    assert names(tmp_path / "self.txt")[1] == ["missing"]


def test_linked_folders_are_read_once(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("x")
    (tmp_path / "in" / "first").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "second").symlink_to(tmp_path / "out")
    assert names(tmp_path / "in") == (["first/a.txt"], [])


LOOK = """
import sys
from pathlib import Path
from ingest import SourceError, find_sources, read_document

sources, problems = find_sources([Path(sys.argv[1])])
print([problem.path.name for problem in problems], "permissions" in problems[0].reason)
try:
    read_document(*sources)
except SourceError as error:
    print(error.reason)
"""


def test_folders_and_files_that_cannot_be_read_are_told(tmp_path):
    """In a process that may read no more than permissions say, also where root runs the tests."""
    (tmp_path / "locked").mkdir(mode=0)
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.txt").chmod(0)
    done = subprocess.run([*UNPRIVILEGED, "-c", LOOK, tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("['locked'] True\n") and "permissions" in done.stdout.splitlines()[1], done.stderr


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    """As above, for those who may read everything."""
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.txt").write_text("x")
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert names(tmp_path) == (["a.txt"], ["unreadable"])


PATTERNS = [
    ({}, ["a.txt", "b.md", "sub/c.txt", "sub/deep/d.pdf", "sub/e.docx", "sub/f.epub"]),
    ({"include": ["*.txt"]}, ["a.txt", "sub/c.txt"]),
    ({"include": ["*.log"]}, ["sub/g.log"]),
    ({"include": ["sub/*.txt"]}, ["sub/c.txt"]),
    ({"exclude": ["*.txt", "deep"]}, ["b.md", "sub/e.docx", "sub/f.epub"]),
    ({"exclude": ["sub"]}, ["a.txt", "b.md"]),
    ({"exclude": ["sub/c.*"]}, ["a.txt", "b.md", "sub/deep/d.pdf", "sub/e.docx", "sub/f.epub"]),
    ({"include": ["*.txt"], "exclude": ["a*"]}, ["sub/c.txt"]),
]


@pytest.mark.parametrize(("patterns", "found"), PATTERNS)
def test_patterns_choose_files(tmp_path, patterns, found):
    for name in ("a.txt", "b.md", "sub/c.txt", "sub/deep/d.pdf", "sub/e.docx", "sub/f.epub", "sub/g.log", ".hidden.txt", "sub/.git/h.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert names(tmp_path, **patterns) == (found, [])


def test_what_is_no_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.pdf").mkdir()
    (tmp_path / "folder.pdf" / "a.txt").write_text("x")
    assert names(tmp_path) == (["folder.pdf/a.txt"], [])
    assert names(tmp_path / "pipe.txt")[1] == ["unreadable"]


def test_standard_input_is_read_once(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Some text.")))
    sources, problems = find_sources([Path("-"), Path("-")])
    assert [(source.name, source.data) for source in sources] == [("standard input", b"Some text.")] and not problems
    assert read_document(sources[0]).pages == (Page(None, "Some text."),)


def test_soft_hyphens_at_line_ends_join_words(tmp_path):
    (tmp_path / "a.txt").write_text("An ex\u00adam\u00ad\nple with \ufb01sh.", encoding="utf-8")
    assert read(tmp_path / "a.txt").pages[0].text == "An example with fish."
