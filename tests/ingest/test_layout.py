"""Pages of PDFs as people read them: no running lines, no cut words, columns one after the other."""

import time
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from ingest import Options, Page, Source, read_document
from ingest.layout import laid_out

SAMPLES = Path(__file__).parents[2] / "titans_cli" / "samples"


def texts(*pages: str) -> list[str]:
    return [page.text for page in laid_out([Page(n, text) for n, text in enumerate(pages, 1)])]


def book(pages: int, top: str = "", bottom: str = "") -> list[str]:
    """Pages with different text between a line at the top and one at the bottom, in which {n} is the page's number."""
    bodies = [f"First of {x}.\nMore about {x}.\nStill {x}, still.\nThe end of {x}." for x in "abcdefghijklmnop"[:pages]]
    return ["\n".join(filter(None, [top.format(n=n), body, bottom.format(n=n)])) for n, body in enumerate(bodies, 1)]


@pytest.mark.parametrize("bottom", ["{n}", "- {n} -", "Page {n} of 8", "{n} / 8", "[{n}]"])
def test_page_numbers_are_dropped(bottom):
    assert texts(*book(8, bottom=bottom)) == book(8)


def test_roman_page_numbers_are_dropped():
    numbers = ["i", "ii", "iii", "iv", "v", "vi"]
    assert texts(*(f"{page}\n{number}" for page, number in zip(book(6), numbers, strict=True))) == book(6)


@pytest.mark.parametrize("line", ["Annual report, 2024 edition", "The Journal {n}", "{n} Chapter 3. Birds"])
@pytest.mark.parametrize("where", ["top", "bottom"])
def test_running_lines_stand_once(line, where):
    with_line = book(8, **{where: line})
    assert texts(*with_line) == [with_line[0], *book(8)[1:]]


def test_left_and_right_pages_may_differ():
    pages = [f"{'The Book' if n % 2 else 'The Chapter'}\n{page}\n{n}" for n, page in enumerate(book(10), 1)]
    assert texts(*pages)[2:] == book(10)[2:]


def test_numbers_that_count_no_pages_stay():
    pages = [f"{page}\n{n * n * 37 % 101} apples" for n, page in enumerate(book(8), 1)]
    assert texts(*pages) == pages


def test_few_pages_and_pages_of_nothing_else_stay():
    short = book(3, "The Book", "{n}")
    assert texts(*short) == short
    alone = [f"The Book\n{n}" for n in range(1, 9)]
    assert texts(*alone) == ["The Book", *alone[1:]]


def test_what_has_no_pages_is_left_as_it_is():
    pages = [Page(None, f"exam-\nple\n{n}") for n in range(8)]
    assert laid_out(pages) == tuple(pages)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("an exam-\nple of it", "an example of it"),
        ("exam‐\n  ple", "example"),
        ("It is well-\nknown, and well-known things stay.", "It is well-known, and well-known things stay."),
        ("a self-\nmade man", "a self-made man"),
        ("data-\ndriven work, driven by data", "data-driven work, driven by data"),
        ("there-\nfore, and therefore there was fore", "therefore, and therefore there was fore"),
        ("Mrs Smith-\nJones", "Mrs Smith-Jones"),
        ("COVID-\n19", "COVID-19"),
        ("one -\ntwo and 3-\n4 and x--\ny", "one -\ntwo and 3-\n4 and x--\ny"),
        ("https://a.org/some-\nthing", "https://a.org/some-thing"),
        ("state-of-the-\nart", "state-of-the-art"),
    ],
)
def test_cut_words_are_put_together(text, whole):
    assert texts(text) == [whole]


def test_a_word_is_known_from_other_pages():
    assert texts("the high-\nlight", "a highlight")[0] == "the highlight"
    assert texts("the high-\nlight")[0] == "the high-light"


def test_layout_takes_linear_time():
    begun = time.monotonic()
    for part in ("a", "a-", "a-\n", "-\n", "1 ", "\0", "#", "- ", "x\n"):
        texts(*[part * 100_000] * 6)
    assert time.monotonic() - begun < 20


def test_a_real_manual_loses_its_running_lines_and_nothing_else():
    path = SAMPLES / "bzip2-manual.pdf"
    document = read_document(Source(path, path.name), Options(pdf_engine="pypdfium2"))
    words = " ".join(page.text for page in document.pages).split()
    raw = " ".join(page.extract_text() for page in PdfReader(path).pages).split()
    assert 0.9 * len(raw) < len(words) <= len(raw)
    assert not [page.number for page in document.pages[4:] if page.text.strip().split("\n")[-1].strip().isdigit()]


def two_columns(path: Path) -> None:
    """A page whose columns, of ten lines each, stand beside each other, drawn one after the other as typesetting programs do."""
    writer = PdfWriter()
    page = writer.add_blank_page(600, 800)
    names = {"Type": "Font", "Subtype": "Type1", "BaseFont": "Courier"}
    font = DictionaryObject({NameObject(f"/{key}"): NameObject(f"/{value}") for key, value in names.items()})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F"): font})})
    lines = [(x, 700 - 14 * n, f"{name} line {n}.") for x, name in ((50, "Left"), (320, "Right")) for n in range(10)]
    content = DecodedStreamObject()
    content.set_data("\n".join(f"BT /F 10 Tf {x} {y} Td ({text}) Tj ET" for x, y, text in lines).encode())
    page[NameObject("/Contents")] = writer._add_object(content)
    writer.write(path)


@pytest.mark.parametrize("engine", ["pypdf", "pypdfium2"])
def test_columns_come_one_after_the_other(tmp_path, engine):
    two_columns(tmp_path / "a.pdf")
    (page,) = read_document(Source(tmp_path / "a.pdf", "a.pdf"), Options(pdf_engine=engine)).pages
    assert page.text.split() == [word for side in ("Left", "Right") for n in range(10) for word in (side, "line", f"{n}.")]
