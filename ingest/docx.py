"""Extracts the text of Word documents (.docx): paragraphs, lists, tables and notes, without headers and footers."""

from pathlib import Path

from ingest.archive import Archive, Handler, beside, parse
from ingest.errors import SourceError
from ingest.lines import Lines
from ingest.types import Limits

__all__ = ["docx_text", "refuse_other_words"]

COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")
"""First bytes of files of Word 97 to 2003, and of newer encrypted ones."""
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
RICH_TEXT = b"{\\rtf"
LEFT_OUT = frozenset({"Fallback", "moveFrom", "del", "instrText", "delText"})
"""Elements without text that is read: the second form of a drawing, what was moved or deleted, commands of fields."""
NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}
BESIDE_NOTES = frozenset({"separator", "continuationSeparator", "continuationNotice"})
"""Types of notes that are only lines drawn."""
TEXT = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
"""Elements that mean a character."""


def refuse_other_words(path: Path, data: bytes) -> None:
    """Raise SourceError for word processor documents other than .docx, and for encrypted ones."""
    if data.startswith(COMPOUND):
        if ENCRYPTED in data:
            raise SourceError(path, "is encrypted. Save it without a password first.", "encrypted")
        raise SourceError(path, "is in an old format, such as that of Word 97 to 2003. Save it as .docx or PDF.", "not text")
    if data.startswith(RICH_TEXT):
        raise SourceError(path, "is in Rich Text Format. Save it as .docx or PDF.", "not text")


def docx_text(path: Path, data: bytes, limits: Limits) -> str:
    """The text of a Word document, with one line per table row and notes after their paragraph.

    Raises SourceError for an unreadable document or one beyond the limits.
    """
    archive = Archive(path, data, limits)
    main = next(
        (
            beside("", element.attributes.get("Target", ""))
            for element in archive.elements("_rels/.rels")
            if element.attributes.get("Type", "").endswith("/officeDocument")
        ),
        "word/document.xml",
    )
    notes = {}
    for reference, kind in NOTES.items():
        part = beside(main, f"{kind}.xml")
        if part in archive.names:
            collector = NoteReader(limits.characters, path)
            parse(archive, part, collector)
            notes.update({(reference, number): text for number, text in collector.found.items()})
    body = TextReader(limits.characters, path, notes)
    parse(archive, main, body)
    return body.lines.text()


class TextReader(Handler):
    """Collects the text of a part. ``notes`` are keyed by the kind of their reference and their number."""

    def __init__(self, limit: int, path: Path, notes: dict[tuple[str, str], str]):
        self.limit, self.path, self.notes = limit, path, notes
        self.lines = Lines()
        self.characters_read = 0
        self.in_text = self.left_out = 0  # open elements of these kinds
        self.listed = False
        self.pending: list[str] = []  # notes of the paragraph

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in LEFT_OUT or self.left_out:
            self.left_out += 1
        elif tag == "t":
            self.in_text += 1
        elif tag == "p":
            self.lines.end_line()
            self.listed = False
        elif tag == "numPr" or (tag == "pStyle" and attributes.get("val", "").startswith("List")):
            if not self.listed:
                self.lines.add("- ")
            self.listed = True
        elif tag == "tbl":
            self.lines.start_table()
        elif tag == "tr":
            self.lines.start_row()
        elif tag == "tc":
            self.lines.start_cell()
        elif tag == "tab" and "val" in attributes:  # a tab stop, not a tab
            pass
        elif tag in TEXT:
            self.lines.add_verbatim(TEXT[tag])
        elif tag in NOTES:
            self.pending.append(self.notes.get((tag, attributes.get("id", "")), ""))

    def end(self, tag: str) -> None:
        if self.left_out:
            self.left_out -= 1
        elif tag == "t":
            self.in_text -= 1
        elif tag == "p":
            if self.listed and not self.pending:
                self.lines.end_line()
            else:
                self.lines.end_paragraph()
            for note in filter(None, self.pending):
                self.add(note)
                self.lines.end_paragraph()
            self.pending = []
        elif tag == "tr":
            self.lines.end_row()
        elif tag == "tbl":
            self.lines.end_table()

    def characters(self, text: str) -> None:
        if self.in_text and not self.left_out:
            self.add(text)

    def add(self, text: str) -> None:
        self.characters_read += len(text)
        if self.characters_read > self.limit:
            raise SourceError(self.path, f"has more than {self.limit:,} characters, which is the limit.", "limit")
        self.lines.add(text)


class NoteReader(TextReader):
    """Collects the notes of a part by number."""

    def __init__(self, limit: int, path: Path):
        super().__init__(limit, path, {})
        self.found: dict[str, str] = {}
        self.number: str | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("footnote", "endnote"):
            self.lines = Lines()
            self.number = None if attributes.get("type") in BESIDE_NOTES else attributes.get("id")
        super().start(tag, attributes)

    def end(self, tag: str) -> None:
        super().end(tag)
        if tag in ("footnote", "endnote") and self.number is not None:
            self.found[self.number] = " ".join(self.lines.text().split())
