"""Assembles the text of HTML and Word documents from pieces: lines, blank lines, table rows."""

import re
from dataclasses import dataclass, field

__all__ = ["Lines"]

SPACES = re.compile(r"[ \t\r\n\f]+")
LONGEST_ROW = 1_000
"""Characters of a row that are put on one line. A longer one is a page laid out with a table, and keeps its lines."""
DEEPEST = 16
"""Tables within tables whose rows are told apart: bounds the copying."""
BETWEEN_CELLS = " | "


@dataclass
class Block:
    """Finished lines ("" for a blank one), and the pieces of the current one."""

    lines: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    def end_line(self) -> None:
        line = "".join(self.pieces).strip(" \t\n")
        self.pieces.clear()
        if line:
            self.lines.append(line)

    def end_paragraph(self) -> None:
        self.end_line()
        if self.lines and self.lines[-1]:
            self.lines.append("")


class Lines:
    """Writes text. Cells of a table row are put on one line; unclosed rows and tables are closed by what follows."""

    def __init__(self) -> None:
        self.root = Block()
        self.rows: list[list[Block] | None] = []  # of each open row what stands before its cells, and them; None where a table begins
        self.depth = 0

    @property
    def block(self) -> Block:
        """The block that text is added to."""
        return next((row[-1] for row in reversed(self.rows) if row is not None), self.root)

    def add(self, text: str) -> None:
        """Add to the line. Any run of white space counts as one space."""
        pieces = self.block.pieces
        text = SPACES.sub(" ", text)
        if text.startswith(" ") and (not pieces or pieces[-1].endswith((" ", "\n"))):
            text = text[1:]
        if text:
            pieces.append(text)

    def add_verbatim(self, text: str) -> None:
        """Add to the line, keeping white space and line ends."""
        self.block.pieces.append(text)

    def end_line(self) -> None:
        self.block.end_line()

    def end_paragraph(self) -> None:
        """End the line, and put a blank line before the next."""
        self.block.end_paragraph()

    def start_table(self) -> None:
        self.end_paragraph()
        self.depth += 1
        if self.depth <= DEEPEST:
            self.rows.append(None)

    def start_row(self) -> None:
        self.end_line()
        if self.depth <= DEEPEST:
            self.end_row()
            self.rows.append([Block()])

    def start_cell(self) -> None:
        row = self.rows[-1] if self.rows and self.depth <= DEEPEST else None
        if row is None:
            self.end_line()
        else:
            row.append(Block())

    def end_row(self) -> None:
        if not self.rows or self.rows[-1] is None or self.depth > DEEPEST:
            return
        cells = self.rows.pop() or []
        for cell in cells:
            cell.end_line()
        if sum(len(line) for cell in cells for line in cell.lines) > LONGEST_ROW:
            for cell in cells:
                self.block.lines.extend(cell.lines)
            return
        if not cells[0].lines:  # nothing stood before the first cell
            del cells[0]
        texts = [SPACES.sub(" ", " ".join(cell.lines)).strip() for cell in cells]
        if any(texts):
            self.block.lines.append(BETWEEN_CELLS.join(texts).strip())

    def end_table(self) -> None:
        self.depth -= 1
        if self.depth < DEEPEST:
            self.end_row()
            self.rows.pop()
        self.end_paragraph()

    def text(self) -> str:
        """All text that was added."""
        while self.rows:
            self.end_row()
            if self.rows:
                self.rows.pop()
        self.end_line()
        return "\n".join(self.root.lines).strip("\n")
