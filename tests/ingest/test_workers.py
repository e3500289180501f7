"""Extraction in worker processes: files that hang, crash, or take too much."""

import io
import multiprocessing
import os
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from ingest import Extractor, Limits, Options, Source, SourceError, read_document
from ingest.formats import read_pages
from ingest.types import Page

SAMPLES = Path(__file__).parents[2] / "titans_cli" / "samples"
QUICK = Options(limits=Limits(page_seconds=2.0, file_seconds=30.0))


def strange_reader(source, data, options, start):
    """Ten pages; the file's text says on which page what happens to the first engine, and to the second."""
    orders = dict(line.split() for line in data.decode().splitlines())
    for number in range(start.page, 11):
        for key in ({f"{number}"} if start.engine is None else set()) | {f"{number}!"}:
            match orders.get(key):
                case "exit":
                    os._exit(3)
                case "hang":
                    while True:
                        time.sleep(0.05)
                case "memory":
                    raise MemoryError
        yield Page(number, f"Page {number} by {start.engine}.")


def strange(orders: str, name: str = "a.pdf") -> Source:
    return Source(Path("/nowhere") / name, name, orders.encode())


def extract(*sources, options=QUICK, workers=1, read=strange_reader):
    with Extractor(options, workers, read) as extractor:
        return list(extractor.documents(sources))


def test_a_page_that_kills_its_reader_is_read_by_the_other_engine():
    (document,) = extract(strange("4 exit"))
    assert [page.number for page in document.pages] == list(range(1, 11))
    assert document.pages[2].text.endswith("None.") and document.pages[3].text.endswith("pypdfium2.")
    assert document.failed_pages == ()


@pytest.mark.parametrize(("order", "reason"), [("exit", "the reader crashed"), ("hang", "it took too long")])
def test_a_page_that_no_engine_can_read_costs_that_page_alone(order, reason):
    (document,) = extract(strange(f"4! {order}"))
    assert [page.number for page in document.pages] == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert document.failed_pages == ((4, reason),)


def test_a_file_that_goes_on_killing_is_given_up_and_keeps_what_was_read():
    (document,) = extract(strange("\n".join(f"{n}! exit" for n in range(3, 11))))
    assert [page.number for page in document.pages] == [1, 2]
    assert "this page and all later ones were skipped" in document.failed_pages[-1][1] and len(document.failed_pages) <= 5


def test_a_file_that_is_never_read_is_an_error_and_the_next_goes_on():
    hung, whole = extract(strange("1! hang", "a.txt"), strange("", "b.txt"))
    assert isinstance(hung, SourceError) and hung.kind == "timeout"
    assert len(whole.pages) == 10


def test_memory_that_runs_out_is_told():
    (error,) = extract(strange("1! memory"))
    assert isinstance(error, SourceError) and error.kind == "limit"


def test_time_for_a_file_is_limited():
    options = replace(QUICK, limits=Limits(page_seconds=5, file_seconds=1.5))
    (error,) = extract(strange("1! hang", "a.txt"), options=options)
    assert isinstance(error, SourceError) and error.kind == "timeout"


def test_documents_come_in_the_order_of_the_sources():
    sources = [strange("2! hang" if n == 0 else "", f"{n}.pdf") for n in range(8)]
    options = replace(QUICK, limits=Limits(page_seconds=1.0))
    assert [document.source for document in extract(*sources, workers=2, options=options)] == sources


def test_leaving_early_leaves_no_process():
    with Extractor(QUICK, 2, strange_reader) as extractor:
        documents = extractor.documents([strange("1! hang" if n else "", f"{n}.txt") for n in range(9)])
        assert len(next(documents).pages) == 10
        workers = [worker.process for worker in extractor.workers]
    assert any(workers) and not multiprocessing.active_children()


def test_a_worker_reads_what_this_process_would():
    sources = [Source(path, path.name) for path in sorted(SAMPLES.iterdir()) if path.suffix]
    assert extract(*sources, options=Options(), read=read_pages) == [read_document(source) for source in sources]


def one_page(content: bytes, filters: bytes) -> bytes:
    """A PDF whose only page has ``content`` as its stream, encoded by ``filters``."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<<>>>>",
        b"<</Length %d/Filter%s>>stream\n%s\nendstream" % (len(content), filters, content),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 5\n0000000000 65535 f \n%strailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (table, len(out))


def test_a_decompression_bomb_is_stopped(tmp_path):
    bomb = zlib.compress(zlib.compress(b"\0" * 400_000_000, 1), 9)
    assert len(bomb) < 100_000
    (tmp_path / "bomb.pdf").write_bytes(one_page(bomb, b"[/FlateDecode/FlateDecode]"))
    options = Options(limits=Limits(page_seconds=10, memory=200_000_000))
    begun = time.monotonic()
    first, second = extract(
        Source(tmp_path / "bomb.pdf", "bomb.pdf"),
        Source(SAMPLES / "gettysburg-address.txt", "good.txt"),
        options=options,
        read=read_pages,
    )
    assert isinstance(first, SourceError) and first.kind in ("no text", "limit", "corrupt")
    assert second.pages and time.monotonic() - begun < 60


def test_a_password_opens_an_encrypted_file(tmp_path):
    writer = PdfWriter(clone_from=SAMPLES / "bzip2-manual.pdf")
    writer.encrypt("secret", "owner", algorithm="AES-256")
    writer.write(tmp_path / "a.pdf")
    source = Source(tmp_path / "a.pdf", "a.pdf")
    for engine in ("pypdf", "pypdfium2"):
        with pytest.raises(SourceError) as refused:
            read_document(source, Options(pdf_engine=engine, passwords=("wrong",)))
        assert refused.value.kind == "encrypted"
        assert len(read_document(source, Options(pdf_engine=engine, passwords=("wrong", "secret"))).pages) > 30


def test_pages_and_characters_are_limited():
    source = Source(SAMPLES / "bzip2-manual.pdf", "bzip2")
    document = read_document(source, Options(limits=Limits(pages=3)))
    assert [page.number for page in document.pages] == [1, 2, 3] and document.failed_pages[0][0] == 4
    document = read_document(source, Options(limits=Limits(characters=3_000)))
    assert 0 < sum(len(page.text) for page in document.pages) <= 3_000 and document.failed_pages
    text = Source(Path("-"), "standard input", b"word " * 1_000)
    for limits in (Limits(characters=3_000), Limits(bytes=3_000)):
        with pytest.raises(SourceError) as refused:
            read_document(text, Options(limits=limits))
        assert refused.value.kind == "limit"


@pytest.mark.parametrize("order", ["6 exit", "6! exit"])
def test_characters_are_limited_across_restarts(order):
    """Pages have 15 to 20 characters: five of them and a sixth are too many, whoever reads them."""
    options = replace(QUICK, limits=replace(QUICK.limits, characters=120))
    (document,) = extract(strange(order), options=options, read=limited_reader)
    assert 90 < sum(len(page.text) for page in document.pages) <= 120
    assert document.failed_pages[-1][1].startswith("the limit is 120 characters per file")


def limited_reader(source, data, options, start):
    """Like ``strange_reader``, and stops as ``read_pages`` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.formats.pages_of", strange_reader)
        yield from read_pages(source, data, options, start)


def test_a_reader_that_stumbles_is_a_reason(tmp_path):
    (tmp_path / "a.html").write_bytes(b"<![" * 9)
    (error,) = extract(Source(tmp_path / "a.html", "a.html"), read=read_pages)
    assert isinstance(error, SourceError) and error.kind == "corrupt" and "crashed" not in error.reason


def test_pages_without_text_are_named():
    writer = PdfWriter()
    writer.add_page(PdfReader(SAMPLES / "bzip2-manual.pdf").pages[4])
    writer.add_blank_page(100, 100)
    data = io.BytesIO()
    writer.write(data)
    document = read_document(Source(Path("a.pdf"), "a.pdf", data.getvalue()))
    assert [page.number for page in document.pages] == [1] and document.empty_pages == (2,)
