"""Files that are broken, misleading or meant to do harm, made from a seed: what hostile.py reads."""

import gzip
import io
import os
import random
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Container
from pathlib import Path

from pypdf import PdfReader, PdfWriter

__all__ = ["GROUPS", "cut_and_flipped", "make_all"]

GROUPS = ("strange PDFs", "text", "HTML", "docx, epub, zip", "names, no files")
STRANGE_NAMES = GROUPS[-1]
M = 1_000_000
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>%s>>>>"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica%s>>"
HELLO = b"BT /F 12 Tf 50 700 Td (Hello, this is the text of a page.) Tj ET"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
OPF = '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest>{items}</manifest><spine>{spine}</spine></package>'
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="{}"/></rootfiles></container>'
)


def stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<</Length %d%s>>stream\n%s\nendstream" % (len(data), more, data)


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1, the first its catalog."""
    out, places = b"%PDF-1.5\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + end


def one_page(content: bytes = HELLO, more: bytes = b"", page: bytes = b"", font: bytes = b"", *objects: bytes) -> bytes:
    """A PDF with one page, some parts of which are strange."""
    tree = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    return pdf(b"<</Type/Catalog/Pages 2 0 R>>", tree, PAGE % page, stream(content, more), FONT % font, *objects)


def with_tree(tree: bytes, *more: bytes, count: int = 1) -> bytes:
    return pdf(b"<</Type/Catalog/Pages 2 0 R>>", tree, PAGE % b"", stream(HELLO), FONT % b"", *more)


def packed(data: bytes, times: int) -> bytes:
    for _ in range(times):
        data = zlib.compress(data, 9)
    return data


def deep_tree(levels: int) -> bytes:
    nodes = [b"<</Type/Pages/Kids[%d 0 R]/Count 1/Parent 2 0 R>>" % (number + 1) for number in range(6, 6 + levels - 1)]
    return with_tree(b"<</Type/Pages/Kids[6 0 R]/Count 1>>", *nodes, b"<</Type/Pages/Kids[3 0 R]/Count 1>>")


def locked(password: str, algorithm: str) -> bytes:
    writer = PdfWriter()
    writer.add_page(PdfReader(io.BytesIO(one_page())).pages[0])
    writer.encrypt(password, "owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def pdfs(rng: random.Random) -> dict[str, Callable[[], bytes]]:
    flate, twice = b"/Filter/FlateDecode", b"/Filter[/FlateDecode/FlateDecode]"
    form = (
        b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 6 0 R/Y 6 0 R>>>>/Length 12>>stream\n/X Do /Y Do \nendstream"
    )
    everything = b"1 begincodespacerange <0000> <FFFF> endcodespacerange 1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange"
    made: dict[str, Callable[[], bytes]] = {
        "bomb": lambda: one_page(packed(b"\0" * 450 * M, 2), twice),
        "bomb of text": lambda: one_page(packed(HELLO * (2 * M), 1), flate),
        "bomb of bombs": lambda: one_page(packed(b" " * 450 * M, 3), b"/Filter[/FlateDecode/FlateDecode/FlateDecode]"),
        "run lengths": lambda: one_page(b"\x81 " * 4 * M + b"\x80", b"/Filter/RunLengthDecode"),
        "predictor": lambda: one_page(packed(HELLO, 1), flate + b"/DecodeParms<</Predictor 12/Columns 2147483647>>"),
        "many filters": lambda: one_page(HELLO, b"/Filter[" + b"/ASCIIHexDecode" * 50_000 + b"]"),
        "deep tree": lambda: deep_tree(3_000),
        "deep arrays": lambda: pdf(b"<</Type/Catalog/Pages 2 0 R/A " + b"[" * 200_000 + b"]" * 200_000 + b">>", b"<</Kids[]/Count 0>>"),
        "deep dictionaries": lambda: one_page(HELLO, b"/A" + b"<</A" * 100_000 + b" 1" + b">>" * 100_000),
        "tree loop": lambda: with_tree(b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 2>>"),
        "tree of two in a loop": lambda: with_tree(b"<</Type/Pages/Kids[6 0 R]/Count 1>>", b"<</Type/Pages/Kids[2 0 R]/Count 1>>"),
        "parent loop": lambda: with_tree(b"<</Type/Pages/Kids[3 0 R]/Count 1/Parent 6 0 R>>", b"<</Type/Pages/Parent 2 0 R/Kids[2 0 R]>>"),
        "reference to itself": lambda: pdf(b"<</Type/Catalog/Pages 2 0 R>>", b"2 0 R"),
        "contents loop": lambda: one_page().replace(b"/Contents 4 0 R", b"/Contents 3 0 R"),
        "length loop": lambda: one_page().replace(b"/Length 67", b"/Length 4 0 R"),
        "form draws itself": lambda: one_page(b"/X Do " + HELLO, b"", b"/XObject<</X 6 0 R>>", b"", form),
        "previous table loop": lambda: pdf(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Kids[]/Count 0>>", trailer=b"/Prev 120"),
        "no pages": lambda: with_tree(b"<</Type/Pages/Kids[]/Count 0>>"),
        "many pages claimed": lambda: with_tree(b"<</Type/Pages/Kids[3 0 R]/Count 2147483647>>"),
        "fewer than no pages": lambda: with_tree(b"<</Type/Pages/Kids[3 0 R]/Count -5>>"),
        "one page many times": lambda: with_tree(b"<</Type/Pages/Count 100000/Kids[" + b"3 0 R " * 100_000 + b"]>>"),
        "pages missing": lambda: with_tree(b"<</Type/Pages/Kids[3 0 R 77 0 R 78 0 R null 3 0 R]/Count 5>>"),
        "huge page": lambda: one_page().replace(b"600 800", b"1e30 -1e30"),
        "giant string": lambda: one_page(b"BT /F 12 Tf (" + b"word " * M + b") Tj ET"),
        "many operators": lambda: one_page(b"BT /F 12 Tf " + b"(a) Tj 1 1 Td " * 300_000 + b"ET"),
        "unbalanced states": lambda: one_page(b"q " * 500_000 + HELLO),
        "unclosed string": lambda: one_page(b"BT /F 12 Tf (" + b"(" * 500_000),
        "deep operands": lambda: one_page(b"BT " + b"[" * 200_000 + b" TJ ET"),
        "map of everything": lambda: one_page(HELLO, b"", b"", b"/ToUnicode 6 0 R", stream(everything)),
        "map to itself": lambda: one_page(HELLO, b"", b"", b"/ToUnicode 5 0 R/Encoding 5 0 R/DescendantFonts[5 0 R]"),
        "table far away": lambda: one_page().replace(b"startxref\n", b"startxref\n99999999999999999999"),
        "table of nothing": lambda: one_page().replace(b"xref\n0 6", b"xref\n0 2147483647"),
        "table stream": lambda: one_page().replace(b"trailer", b"9 0 obj<</Type/XRef/W[8 8 8]/Index[0 2147483647]/Size 9/Length 0>>"),
        "header alone": lambda: b"%PDF-1.7\n",
        "header and noise": lambda: b"%PDF-1.7\n" + rng.randbytes(2 * M),
        "only objects": lambda: one_page().partition(b"xref")[0],
        "numbers without end": lambda: one_page().replace(b"600 800", b"9" * 2 * M + b" 1"),
        "many objects": lambda: one_page(HELLO, b"", b"", b"", *[b"null"] * 200_000),
        "objects repeated": lambda: b"%PDF-1.4\n" + b"1 0 obj<</Type/Catalog/Pages 1 0 R>>endobj\n" * 50_000,
        "noise before": lambda: rng.randbytes(5_000) + one_page(),
        "password": lambda: locked("secret", "AES-256"),
        "old password": lambda: locked("secret", "RC4-40"),
        "no password needed": lambda: locked("", "AES-128"),
    }
    return {f"{name}.pdf": make for name, make in made.items()}


def texts(rng: random.Random) -> dict[str, Callable[[], bytes]]:
    words = "Il était une fois Größe, naïve café. "
    files: dict[str, Callable[[], bytes]] = {
        f"{name}.txt": lambda name=name, text=text: (text * 50).encode(name)
        for name, text in {
            **dict.fromkeys(
                ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be", "latin-1", "cp1252", "cp437", "utf-7"), words
            ),
            **dict.fromkeys(("cp1251", "koi8-r", "iso8859-5"), "Жил-был старик со своею старухой у самого синего моря. "),
            **dict.fromkeys(("shift_jis", "euc-jp", "iso2022_jp"), "吾輩は猫である。名前はまだ無い。"),
            **dict.fromkeys(("gb18030", "big5"), "道可道非常道名可名非常名"),
            "euc-kr": "나라의 말이 중국과 달라 ",
        }.items()
    }
    return files | {
        "two encodings.txt": lambda: words.encode() * 99 + words.encode("latin-1") * 99,
        "noise.txt": lambda: rng.randbytes(2 * M),
        "long noise.md": lambda: rng.randbytes(30 * M),
        "noise without zeros.txt": lambda: rng.randbytes(30 * M).replace(b"\0", b"\1"),
        "high noise.txt": lambda: bytes(rng.choices(range(128, 256), k=3 * M)),
        "short noise.txt": lambda: b"\x9d\x00\xff",
        "zeros.txt": lambda: b"\0" * 20 * M,
        "ones.txt": lambda: b"\xff" * 20 * M,
        "program.txt": lambda: Path(sys.executable).read_bytes()[: 5 * M],
        "packed.txt": lambda: gzip.compress(words.encode() * 9999),
        "picture.md": lambda: b"\x89PNG\r\n\x1a\n" + rng.randbytes(99_999),
        "one line.txt": lambda: b"word " * 4 * M,
        "one word.txt": lambda: b"a" * 20 * M,
        "one word of hyphens.txt": lambda: b"a-" * 5 * M,
        "line ends.txt": lambda: b"\n" * 20 * M,
        "stops.txt": lambda: b". " * 5 * M,
        "marks.txt": lambda: ("e" + "\u0301" * 3 * M).encode(),
        "too many characters.txt": lambda: b"word. " * 8 * M,
        "controls.txt": lambda: b"\x1b]0;owned\x07\x1b[31mred\x1b[0m\x08\x7f" * 999,
        "zeros between.txt": lambda: b"w\0o\0r\0d\0 \0" * 9_999,
        "surrogates.txt": lambda: b"\xed\xa0\x80\xed\xbf\xbf text" * 99,
        "overlong.txt": lambda: b"\xc0\xaf\xf8\x88\x80\x80\x80 text" * 99,
        "mark alone.txt": lambda: b"\xef\xbb\xbf",
        "wide mark alone.txt": lambda: b"\xff\xfe",
        "odd.txt": lambda: b"\xff\xfea\0b\0c",
        "a page.txt": one_page,
        "rich.txt": lambda: b"{\\rtf1 text}",
        **{f"nothing.{kind}": lambda: b"" for kind in ("txt", "md", "rst", "html", "pdf", "docx", "epub")},
        **{f"one byte.{kind}": lambda: b"x" for kind in ("txt", "html", "pdf", "docx", "epub")},
    }


def pages(rng: random.Random) -> dict[str, Callable[[], bytes]]:
    made: dict[str, Callable[[], bytes]] = {
        "nested": lambda: b"<div>" * 100_000 + b"deep text",
        "nested and closed": lambda: b"<div>" * 100_000 + b"deep text" + b"</div>" * 100_000,
        "flat": lambda: b"<p>some text</p>" * 100_000,
        "flat menus": lambda: b"<nav><a href=x>menu</a></nav><p>some text</p>" * 30_000,
        "unclosed": lambda: b"<p>some text<li>more<td>and more" * 20_000,
        "bold": lambda: b"<b><i>" * 50_000 + b"text",
        "links": lambda: b"<a href='#'>x" * 30_000,
        "headers": lambda: b"<header><h1>x" * 20_000,
        "tables": lambda: b"<table><tr><td>x" * 20_000,
        "long row": lambda: b"<table><tr>" + b"<td>x" * 100_000,
        "not opened": lambda: b"<div>" * 20_000 + b"</b></i></table>" * 20_000,
        "comments": lambda: b"text<!--" * 50_000,
        "closed comments": lambda: b"text<!--" * 50_000 + b"-->",
        "declarations": lambda: b"<![" * 30_000 + b"<!DOCTYPE" * 30_000,
        "sections": lambda: b"<![CDATA[" * 30_000,
        "instructions": lambda: b"<?" * 50_000,
        "less than": lambda: b"<" * 500_000,
        "tags without end": lambda: b"<a b" * 50_000,
        "quotes without end": lambda: b"<a b='" * 50_000,
        "attributes": lambda: b"<p " + b"a=1 " * 300_000 + b">text",
        "long attribute": lambda: b"<p class='" + b"menu " * 2 * M + b"'>text",
        "references": lambda: b"&amp;&#x41;&notanything;&#999999999999;" * 30_000,
        "ampersands": lambda: b"&" * M,
        "entities": lambda: b'<!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;">]><p>&c;' * 999,
        "script": lambda: b"<script>" + b"x();" * 2 * M + b"</script><p>text",
        "script without end": lambda: b"<p>text<script>" + b"x();" * M,
        "scripts without end": lambda: b"<p>text<script></scrip" * 50_000,
        "zeros": lambda: b"<p>te\0xt</p>\0" * 5_000,
        "noise": lambda: rng.randbytes(M),
        "noise with tags": lambda: b"".join(b"<p>" + rng.randbytes(20) for _ in range(20_000)),
        "hidden": lambda: b"<div hidden><p>all the text there is</p></div>",
        "menu alone": lambda: b"<nav><a href=x>one</a><a href=y>two</a></nav>",
        "script alone": lambda: b"<script>x()</script>",
        "wide but not": lambda: b"<meta charset=utf-16><p>plain text</p>",
        "unknown encoding": lambda: b"<meta charset=x-mine><p>plain text</p>",
        "no encoding": lambda: b"<meta charset=base64><p>plain text</p>",
        "slow encoding": lambda: b"<meta charset=punycode><p>plain text" + b"-a" * 200_000,
        "wrong encoding": lambda: "<meta charset=utf-8><p>Größe und Füße</p>".encode("latin-1"),
        "wide": lambda: "<p>Größe und Füße</p>".encode("utf-16"),
    }
    return {f"{name}.html": make for name, make in made.items()}


def zipped(members: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def docx(body: str | bytes = "<w:p><w:r><w:t>Some text.</w:t></w:r></w:p>", before: str = "", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    text = body.encode() if isinstance(body, str) else body
    document = before.encode() + f"<w:document {W}><w:body>".encode() + text + b"</w:body></w:document>"
    return zipped({"[Content_Types].xml": "<Types/>", "_rels/.rels": "<Relationships/>", "word/document.xml": document}, method)


def epub(chapters: dict[str, str | bytes], more: dict[str, str | bytes] | None = None, repeat: int = 1) -> bytes:
    items = "".join(f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(chapters))
    spine = "".join(f'<itemref idref="i{n}"/>' for n in range(len(chapters))) * repeat
    files: dict[str, str | bytes] = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER.format("content.opf")}
    return zipped(files | {"content.opf": OPF.format(items=items, spine=spine)} | chapters | (more or {}))


def archives(rng: random.Random) -> dict[str, Callable[[], bytes]]:
    paragraph = b"<w:p><w:r><w:t>Some text of a paragraph.</w:t></w:r></w:p>"
    laughs = "<!DOCTYPE a [" + '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)) + "]>"
    outside = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    drm = '<encryption><EncryptedData><EncryptionMethod Algorithm="x"/><CipherReference URI="a.xhtml"/></EncryptedData></encryption>'
    one = {"a.xhtml": "<p>Some text of a chapter.</p>"}
    old = bytes.fromhex("d0cf11e0a1b11ae1") + rng.randbytes(9_999)
    files: dict[str, Callable[[], bytes]] = {
        "good.docx": docx,
        "good.epub": lambda: epub(one),
        "bomb of spaces.docx": lambda: docx(b" " * 450 * M),
        "bomb of text.docx": lambda: docx(paragraph * 10 * M),
        "bomb of one word.docx": lambda: docx(b"<w:p><w:r><w:t>" + b"a" * 300 * M + b"</w:t></w:r></w:p>"),
        "bomb of names.docx": lambda: docx(b"<" + b"a" * 300 * M + b"/>"),
        "bomb in bzip2.docx": lambda: docx(b" " * 450 * M, method=zipfile.ZIP_BZIP2),
        "bomb in lzma.docx": lambda: docx(b" " * 300 * M, method=zipfile.ZIP_LZMA),
        "nested.docx": lambda: docx(b"<w:p>" * 200_000 + b"</w:p>" * 200_000),
        "tables.docx": lambda: docx(b"<w:tbl><w:tr><w:tc>" * 20_000 + paragraph + b"</w:tc></w:tr></w:tbl>" * 20_000),
        "laughs.docx": lambda: docx("<w:p><w:r><w:t>&a11;</w:t></w:r></w:p>", laughs),
        "outside.docx": lambda: docx("<w:p><w:r><w:t>&x;</w:t></w:r></w:p>", outside),
        "not closed.docx": lambda: docx("<w:p>"),
        "no document.docx": lambda: zipped({"_rels/.rels": "<Relationships/>"}),
        "no relations.docx": lambda: zipped({"word/document.xml": "<a/>"}),
        "pointing nowhere.docx": lambda: zipped({"_rels/.rels": '<R><R Type="x/officeDocument" Target="../../../etc/passwd"/></R>'}),
        "empty zip.docx": lambda: zipped({}),
        "encoding.docx": lambda: docx("<w:p/>", '<?xml version="1.0" encoding="x-mine"?>'),
        "noise.docx": lambda: rng.randbytes(99_999),
        "noise behind.docx": lambda: b"PK\x03\x04" + rng.randbytes(99_999),
        "many members.docx": lambda: zipped({f"{n}": "" for n in range(100_000)}),
        "flagged.docx": lambda: flagged(docx()),
        "with password.docx": lambda: old + "EncryptedPackage".encode("utf-16-le"),
        "old.doc": lambda: old,
        "rich.doc": lambda: b"{\\rtf1 text}",
        "bomb.epub": lambda: epub({"a.xhtml": b" " * 450 * M}),
        "bomb of tags.epub": lambda: epub({"a.xhtml": b"<p>text</p>" * 3 * M}),
        "many chapters.epub": lambda: epub({f"{n}.xhtml": "<p>Some text of a chapter.</p>" for n in range(5_000)}),
        "one chapter many times.epub": lambda: epub(one, repeat=50_000),
        "chapter missing.epub": lambda: epub(one).replace(b"a.xhtml", b"b.xhtml", 1),
        "no package.epub": lambda: zipped({"META-INF/container.xml": CONTAINER.format("../../etc/passwd")}),
        "no container.epub": lambda: zipped({"mimetype": "application/epub+zip"}),
        "protected.epub": lambda: epub(one, {"META-INF/encryption.xml": drm}),
        "laughs.epub": lambda: epub(one, {"META-INF/encryption.xml": laughs + "<a>&a11;</a>"}),
        "nested.epub": lambda: epub({"a.xhtml": b"<div>" * 100_000}),
        "absolute.epub": lambda: epub({"/etc/passwd": "<p>text</p>", "../../../x": "<p>more</p>"}),
        "no chapters.epub": lambda: epub({}),
        "docx.pdf": docx,
        "epub.txt": lambda: epub(one),
        "docx.txt": docx,
        "zip.txt": lambda: zipped({"a.txt": "some text"}),
    }
    for kind, whole in (("docx", docx(paragraph * 500)), ("epub", epub(one))):
        files |= {f"cut {n}.{kind}": lambda whole=whole: whole[: rng.randrange(len(whole))] for n in range(8)}
        files |= {f"flipped {n}.{kind}": lambda whole=whole: flipped(rng, whole, 3) for n in range(12)}
    return files


def flagged(data: bytes) -> bytes:
    """A zip whose members all say that they are encrypted."""
    out, at = bytearray(data), 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        struct.pack_into("<H", out, at + 8, 1)
        at += 4
    return bytes(out)


def flipped(rng: random.Random, data: bytes, times: int) -> bytes:
    out = bytearray(data)
    for _ in range(times):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def cut_and_flipped(rng: random.Random, originals: list[Path], each: int) -> dict[str, dict[str, bytes]]:
    """``each`` PDFs that end too early, with flipped bits, and with a stretch of noise, from real ones."""
    groups: dict[str, dict[str, bytes]] = {"cut short": {}, "bits flipped": {}, "overwritten": {}}
    for n in range(each):
        data = rng.choice(originals).read_bytes()
        groups["cut short"][f"{n}.pdf"] = data[: rng.randrange(len(data))]
        groups["bits flipped"][f"{n}.pdf"] = flipped(rng, data, 2 ** rng.randrange(10))
        start = rng.randrange(len(data))
        noise = rng.randbytes(rng.randrange(1, 20_000))
        groups["overwritten"][f"{n}.pdf"] = data[:start] + noise + data[start + len(noise) :]
    return groups


def names(folder: Path) -> list[Path]:
    """Files with strange names, and what is no file."""
    odd = [
        b"a\nb.txt",
        b"\x1b[31mred.txt",
        b"\xff\xfe.txt",
        "\u202etxt.exe.txt".encode(),
        b"-rf.txt",
        b"[bold]x[-].txt",
        b"x" * 251 + b".txt",
    ]
    odd += [b" .txt", b"%s{}$HOME`id`.txt", "e\u0301.txt".encode(), b"..txt", b"a\\b.txt", b"CON.txt"]
    made = []
    for name in odd:
        path = os.path.join(os.fsencode(folder), name)
        with open(path, "wb") as file:
            file.write(b"Some text in a file with a strange name.")
        made.append(Path(os.fsdecode(path)))
    os.mkfifo(folder / "pipe.txt")
    (folder / "folder.pdf").mkdir()
    (folder / "folder.pdf" / "a.txt").write_text("Some text in a folder.")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "folder.pdf" / "above").symlink_to(folder / "folder.pdf")
    (folder / "device.txt").symlink_to("/dev/zero")
    (folder / "locked.txt").write_text("Nobody may read this.")
    (folder / "locked.txt").chmod(0)
    return [*made, *(folder / name for name in ("pipe.txt", "folder.pdf", "loop", "device.txt", "locked.txt", "missing.txt"))]


def make_all(folder: Path, seed: int, wanted: Container[str]) -> dict[str, list[Path]]:
    """Write the files of the ``wanted`` groups, which need no real ones, into ``folder``; their paths by group."""
    kinds = {"strange PDFs": pdfs, "text": texts, "HTML": pages, "docx, epub, zip": archives}
    paths: dict[str, list[Path]] = {}
    for group, kind in kinds.items():
        if group in wanted:
            (folder / group).mkdir(parents=True)
            files = kind(random.Random(f"{seed} {group}"))
            paths[group] = [folder / group / name for name in files]
            for path, make in zip(paths[group], files.values(), strict=True):
                path.write_bytes(make())
    if STRANGE_NAMES in wanted:
        (folder / STRANGE_NAMES).mkdir(parents=True)
        paths[STRANGE_NAMES] = names(folder / STRANGE_NAMES)
    return paths
