"""Word documents and e-books: what is text in them, and what is wrong with them."""

import io
import zipfile

import pytest

from ingest import Limits, Options, Source, SourceError, read_document

RELATIONS = '<Relationships><Relationship Type="http://x/officeDocument" Target="/word/document.xml"/></Relationships>'
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:mc="http://x/mc"'
CONTAINER = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfile full-path="OEBPS/book.opf"/></container>'
LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return out.getvalue()


def docx(body, **more):
    parts = {f"word/{name}.xml": f"<w:{name} {W}>{text}</w:{name}>" for name, text in more.items()}
    return zipped({"_rels/.rels": RELATIONS, "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>"} | parts)


def p(text, style="", before=""):
    properties = f'<w:pPr>{before}<w:pStyle w:val="{style}"/></w:pPr>' if style or before else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def epub(chapters, spine=None, **more):
    items = "".join(
        f'<item id="{name}" href="text/{name}.xhtml" media-type="application/xhtml+xml" properties="{"nav" if name == "nav" else ""}"/>'
        for name in chapters
    )
    references = "".join(f'<itemref idref="{name}"/>' for name in spine or chapters)
    opf = (
        '<opf:package xmlns:opf="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><opf:metadata>'
        f"<dc:title>The Book</dc:title><dc:creator>A. Writer</dc:creator></opf:metadata><manifest>{items}</manifest>"
        f"<spine>{references}</spine></opf:package>"
    )
    page = "<html><head><title>The Book</title></head><body>{}</body></html>"
    files = {f"OEBPS/text/{name}.xhtml": page.format(body) if isinstance(body, str) else body for name, body in chapters.items()}
    return zipped({"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OEBPS/book.opf": opf} | files | more)


def read(tmp_path, name, data, limits=Limits()):  # noqa: B008 (immutable)
    (tmp_path / name).write_bytes(data)
    return [page.text for page in read_document(Source(tmp_path / name, name), Options(limits=limits)).pages]


def test_a_word_document_is_read(tmp_path):
    row = "<w:tr>{}</w:tr>".format("".join(f"<w:tc>{p(text)}</w:tc>" for text in ("Ann", "31")))
    body = [
        p("A heading", "Heading1"),
        '<w:p><w:r><w:t>One</w:t><w:tab/><w:t>two</w:t><w:br/><w:t>three</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>',
        p("first", "ListBullet"),
        p("second", before="<w:numPr/>"),
        f"<w:tbl>{row}{row.replace('Ann', 'Bob')}</w:tbl>",
        "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>",
        f"<w:p><mc:AlternateContent><mc:Choice>{p('boxed')}</mc:Choice><mc:Fallback>{p('boxed')}</mc:Fallback></mc:AlternateContent></w:p>",
        "<w:p><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>",
    ]
    notes = f'<w:footnote w:type="separator" w:id="0">{p("---")}</w:footnote><w:footnote w:id="2">{p("See below.")}</w:footnote>'
    (text,) = read(tmp_path, "a.docx", docx("".join(body), footnotes=notes, header1=p("Top of each page")))
    lines = "A heading\n\nOne two\nthree\n\nSee below.\n\n- first\n- second\n\nAnn | 31\nBob | 31\n\nnew\n\nboxed"
    assert text == lines


def test_a_book_is_read_in_the_order_of_its_spine(tmp_path):
    chapters = {"nav": "<nav><a href='b.xhtml'>2</a></nav>", "b": "<p>Second.</p>", "a": "<h1>One</h1><p>First.</p>", "c": "<p>Hidden.</p>"}
    assert read(tmp_path, "a.epub", epub(chapters, ["nav", "a", "b", "a"])) == ["The Book\n\nA. Writer", "One\n\nFirst.", "Second."]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_chapters_may_be_in_any_encoding(tmp_path, encoding):
    assert read(tmp_path, "a.epub", epub({"a": "<p>Größe</p>".encode(encoding)}))[-1] == "Größe"


def test_kinds_are_told_by_their_bytes_too(tmp_path):
    assert read(tmp_path, "a.bin", epub({"a": "<p>First.</p>"}))[-1] == "First."
    assert read(tmp_path, "b.doc", docx(p("Some text."))) == ["Some text."]


OLD = bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600
DRM = '<a><EncryptedData><EncryptionMethod Algorithm="http://{}"/><CipherReference URI="OEBPS/text/a.xhtml"/></EncryptedData></a>'
BOMB = p("x") + " " * 5_000_000
BAD = {
    "old.doc": (OLD, "not text"),
    "rich.doc": (b"{\\rtf1 x}", "not text"),
    "locked.docx": (OLD + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
    "noise.docx": (b"noise", "corrupt"),
    "cut.docx": (docx(p("x"))[:-30], "corrupt"),
    "cut.epub": (epub({"a": "x"})[:99], "corrupt"),
    "empty.docx": (b"", "corrupt"),
    "blank.docx": (docx(p(" ")), "empty"),
    "parts.docx": (zipped({"_rels/.rels": "<a/>"}), "corrupt"),
    "outside.docx": (zipped({"_rels/.rels": RELATIONS.replace("/word/document.xml", "../../../etc/passwd")}), "corrupt"),
    "laughs.docx": (zipped({"_rels/.rels": RELATIONS, "word/document.xml": LAUGHS + "<a>&b;</a>"}), "corrupt"),
    "bomb.docx": (docx(BOMB), "limit"),
    "bomb.epub": (epub({"a": BOMB}), "limit"),
    "bombs.epub": (epub({str(n): " " * 300_000 for n in range(9)}), "limit"),
    "long.docx": (docx(p("word " * 100_000)), "limit"),
    "encoding.docx": (zipped({"_rels/.rels": RELATIONS, "word/document.xml": '<?xml version="1.0" encoding="x-mine"?><a/>'}), "corrupt"),
    "missing.epub": (epub({"a": "x"}).replace(b"a.xhtml", b"b.xhtml", 1), "corrupt"),
    "protected.epub": (epub({"a": "x"}, **{"META-INF/encryption.xml": DRM.format("drm")}), "encrypted"),
    "blank.epub": (zipped({"mimetype": "application/epub+zip"}), "corrupt"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_archives_say_what_is_wrong(tmp_path, name):
    data, kind = BAD[name]
    with pytest.raises(SourceError) as caught:
        read(tmp_path, name, data, Limits(bytes=2_000_000, characters=400_000))
    assert caught.value.kind == kind
    assert "\n" not in caught.value.reason


def test_members_with_a_password_are_told(tmp_path):
    data = bytearray(docx(p("x")))
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 8] |= 1
    with pytest.raises(SourceError) as caught:
        read(tmp_path, "a.docx", bytes(data))
    assert caught.value.kind == "encrypted"


def test_hidden_fonts_are_no_protection(tmp_path):
    fonts = DRM.format("www.idpf.org/2008/embedding")
    assert read(tmp_path, "a.epub", epub({"a": "<p>First.</p>"}, **{"META-INF/encryption.xml": fonts}))[-1] == "First."


def test_deep_documents_are_read(tmp_path):
    deep = "<w:tbl><w:tr><w:tc>" * 2_000 + p("deep") + "</w:tc></w:tr></w:tbl>" * 2_000
    assert read(tmp_path, "a.docx", docx(deep)) == ["deep"]
