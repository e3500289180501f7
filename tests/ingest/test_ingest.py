"""Files to segments: nothing is lost, and what cannot be read says why."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from ingest import Document, Page, Source, SourceError, find_sources, read_document, segments
from ingest.sentences import sentence_spans

SAMPLES = Path(__file__).parents[2] / "titans_cli" / "samples"


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
