"""Shows on the terminal what in a document is new to the memory; see ``heatmap`` for HTML and images."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.style import Style
from rich.table import Table
from rich.text import Text

from titans_cli.errors import TitansError, UsageError
from titans_cli.output import json_output
from titans_cli.output.sanitize import words
from titans_cli.output.terminal import contract, counted, out, print_note, show, where
from titans_cli.output.views.heatmap import LABELS, heat_image, heat_page, pieces, share

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from titans_cli.services.novelty.report import Surprise
    from titans_cli.services.novelty.score import SurprisingSentence

LEVELS = (0.1, 0.3, 0.5, 0.7)
"""Surprise at which the colour of a sentence becomes warmer."""
COLOURS = ("", "#ffe9b0", "#ffc66b", "#ff9a47", "#ff6a3d")
FEW_COLOURS = ("", "bright_yellow", "yellow", "bright_red", "red")
"""For terminals with sixteen colours."""
NEW = 3
"""Level of a new word in a known sentence."""
BARS = "▁▂▃▄▅▆▇█"


def level_of(surprise: float) -> int:
    return sum(surprise >= level for level in LEVELS)


def bar_of(share: float) -> str:
    return BARS[min(len(BARS) - 1, int(share * len(BARS)))]


def must_not_exist(targets: Sequence[Path | None]) -> None:
    """Raises UsageError if one of ``targets`` exists."""
    for target in targets:
        if target is not None and os.path.lexists(target):
            raise UsageError(f"{target} already exists. Choose another name.")


def write_new(target: Path, data: bytes) -> None:
    """Write a file that must not exist yet. Raises TitansError."""
    try:
        with target.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise TitansError(f"Cannot write {target} ({error.strerror}). Choose another path.") from error
    print_note(f"Wrote {target}")


def write_heat(result: Surprise, html: Path | None, png: Path | None, least: float = 0.0) -> None:
    """Write the page and the image that were asked for. Raises TitansError."""
    chosen = [sentence for sentence in result.sentences if sentence.surprise >= least]
    if html is not None:
        write_new(html, heat_page(result, chosen).encode("utf-8", "replace"))
    if png is not None:
        write_new(png, heat_image(result, chosen))


@contract(json_output.of_surprise)
def print_surprise(result: Surprise, least: float = 0.0) -> None:
    """Print the sentences with at least ``least`` surprise, coloured if the terminal can, and a summary."""
    for number, why in result.failed_pages:
        print_note(f"page {number} not read: {why}")
    if result.empty_pages:
        print_note(f"{counted(len(result.empty_pages), 'page')} without text. If scanned, run OCR first.")
    chosen = [sentence for sentence in result.sentences if sentence.surprise >= least]
    numbers = {document: number for number, (document, _) in enumerate(result.known_from, 1)}
    coloured = out.is_terminal and not out.no_color
    if coloured and not least:
        print_flowing(chosen, numbers)
    else:
        print_listed(chosen, numbers, coloured)
    if coloured:
        legend = [Text(f" {low:.1f} ", style=style_of(level)) for level, low in enumerate((0, *LEVELS))]
        out.print(
            Text(" ").join(
                [Text("surprise"), *legend, Text("new word", style_of(0, "new")), Text("word only in memory", style_of(0, "missing"))]
            )
        )
    print_summary(result, numbers)


def print_summary(result: Surprise, numbers: dict[str, int]) -> None:
    counts = ", ".join(f"{share(result, kind)} {label}" for kind, label in LABELS.items())
    show(Text(f"{counted(len(result.sentences), 'sentence')}: {counts}. Mean surprise {result.mean:.2f}."))
    for document, count in result.known_from:
        show(Text(f"[{numbers[document]}] {where(document)}: {counted(count, 'sentence')}"))
    print_note(f"Recited {counted(result.recited, 'memory')} in {result.elapsed_ms / 1000:.1f} s. Nothing was memorized.")


def style_of(level: int, kind: str = "same") -> Style:
    """The style of a piece: dark letters on warm colours; known text is dimmed in the terminal's own colours."""
    colours = FEW_COLOURS if out.color_system in ("standard", "windows") else COLOURS
    if kind == "new":
        return Style(color="black", bgcolor=colours[max(level, NEW)], bold=True, underline=True)
    return Style(color="black" if level else None, bgcolor=colours[level] or None, dim=not level, strike=kind == "missing")


def source_of(sentence: SurprisingSentence, numbers: dict[str, int]) -> str:
    """The number of the document from which a sentence is known, with the page."""
    if sentence.known is None:
        return ""
    page = f" p. {sentence.known.page}" if sentence.known.page is not None else ""
    return f"[{numbers[sentence.known.document]}{page}]"


def print_flowing(chosen: Sequence[SurprisingSentence], numbers: dict[str, int]) -> None:
    """Print the coloured text; a number marks where the source of known text changes."""
    text, page, source = Text(), None, ""
    for sentence in chosen:
        if sentence.page != page:
            page = sentence.page
            text.append(f"\n\npage {page}\n\n" if text else f"page {page}\n\n", "bold dim")
        level = level_of(sentence.surprise)
        for piece in pieces(sentence):
            if piece.kind == "space":
                text.append(piece.text if text else piece.text.lstrip("\n"))
            else:
                text.append(piece.text, style_of(level, piece.kind))
        at = source_of(sentence, numbers)
        if at and at != source:
            text.append(f" {at}", "cyan")
        source = at or source
    out.print(text)
    out.print()


def print_listed(chosen: Sequence[SurprisingSentence], numbers: dict[str, int], coloured: bool) -> None:
    """A line for each sentence: bar, surprise in hundredths, text with {+new words+} and [-words of the memory-], source."""
    table = Table.grid(padding=(0, 1))
    page = None
    for sentence in chosen:
        if sentence.page != page:
            page = sentence.page
            table.add_row("", "", Text(f"page {page}", "bold"))
            if not out.is_terminal:
                out.print(Text(f"page {page}"))
        text = Text()
        for piece in pieces(sentence):
            said = {"space": "", "new": f"{{+{words(piece.text)}+}}", "missing": f"[-{words(piece.text)}-]"}.get(piece.kind)
            said = said if said is not None else " ".join(piece.text.split("\n"))
            text.append(said, style_of(level_of(sentence.surprise), piece.kind) if coloured else "")
        mark, hundredths = bar_of(sentence.surprise), f"{min(99, round(100 * sentence.surprise)):02}"
        text.rstrip()
        at = source_of(sentence, numbers)
        line = Text.assemble(text, " ", (at, "cyan")) if at else text
        if out.is_terminal:
            table.add_row(mark, hundredths, line)
        else:
            out.print(Text(f"{mark} {hundredths} ") + line, soft_wrap=True)
    if out.is_terminal:
        out.print(table)
        out.print()
