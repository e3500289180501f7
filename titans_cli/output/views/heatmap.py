"""Renders the result of ``titans surprise`` as an HTML page and as an image, with new text in warm colours.

The document's text is escaped; the page has no scripts and loads nothing.
"""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from titans_cli.output.sanitize import plain, words
from titans_cli.output.terminal import counted, where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from titans_cli.services.novelty.report import Surprise
    from titans_cli.services.novelty.score import SurprisingSentence

__all__ = ["LABELS", "Piece", "heat_image", "heat_page", "pieces", "share", "told"]

LABELS = {"verbatim": "known word for word", "partly": "known except some words", "reworded": "known in other words", "new": "new"}
BROKEN = re.compile(r"(?<=\S)\n(?=[^\W\d_]|[\"'“‘(])")
"""The end of a line within a paragraph."""
HOT = (224, 62, 0)
NEW = 0.6
"""Surprise with which a new word in a known sentence is drawn."""


class Piece(NamedTuple):
    """A part of a sentence's text, without terminal control characters."""

    text: str
    kind: str  # space before the sentence; same; new; missing: the memory has it, the document has not


def pieces(sentence: SurprisingSentence) -> list[Piece]:
    """Split a sentence into known and new pieces, with the missing words between them."""
    text = BROKEN.sub(" ", sentence.text)
    begin = len(text) - len(text.lstrip())
    found, at = [Piece(plain(text[:begin]), "space")], begin
    marks = [(start, end, "new", "") for start, end in sentence.new] + [(m.at, m.at, "missing", m.text) for m in sentence.missing]
    for start, end, kind, said in sorted(marks, key=lambda mark: mark[:2]):
        found.append(Piece(plain(text[at:start]), "same"))
        found += [Piece(" ", "same"), Piece(words(said), kind)] if said else [Piece(plain(text[start:end]), kind)]
        at = end
    found.append(Piece(plain(text[at:]), "same"))
    return [piece for piece in found if piece.text]


def told(sentence: SurprisingSentence) -> str:
    """One line that says how well a sentence is known, and from which document."""
    said = f"surprise {sentence.surprise:.2f}, {LABELS[sentence.kind]}"
    if sentence.known is None:
        return said
    return f"{said}, from {where(sentence.known.document, sentence.known.page)}: “{words(sentence.known.text)}”"


def share(result: Surprise, kind: str) -> str:
    return f"{result.count(kind) / max(1, len(result.sentences)):.0%}"


STYLE = """
:root { color-scheme: light dark }
body { font: 1rem/1.7 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
.heat { background: rgb(224 62 0 / calc(var(--s) * 70%)); border-radius: .2em; box-decoration-break: clone }
.text { white-space: pre-wrap; overflow-wrap: break-word }
ins { font-weight: bold; background: rgb(224 62 0 / 42%) }
del { opacity: .6 }
h2, small, footer { font-size: .85rem; font-weight: normal; opacity: .7 }
h2 { border-top: 1px solid; padding-top: .3rem }
"""


def heat_page(result: Surprise, chosen: Sequence[SurprisingSentence]) -> str:
    """An HTML page of the sentences ``chosen``; a tooltip says from which document each is known."""
    name = escape(words(result.document))
    legend = " ".join(f'<span class="heat" style="--s:{level / 4}">&nbsp;{level / 4:.2f}&nbsp;</span>' for level in range(5))
    counts = ", ".join(f"{share(result, kind)} {label}" for kind, label in LABELS.items())
    parts = [
        '<!DOCTYPE html><html><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f'<meta name="viewport" content="width=device-width"><title>{name}</title><style>{STYLE}</style></head><body>',
        f"<h1>{name}</h1><p>{counted(len(result.sentences), 'sentence')}: {counts}. Mean surprise {result.mean:.2f}.</p>",
        f"<p><small>surprise {legend} <ins>new words</ins> <del>words only in memory</del></small></p>",
    ]
    page, opened = None, False
    for sentence in chosen:
        if not opened or sentence.page != page:
            page = sentence.page
            parts.append("</div>" * opened + (f"<h2>page {page}</h2>" if page is not None else "") + '<div class="text">')
            opened = True
        parts.append("".join(html_of(sentence)))
    listed = "".join(f"<li>{escape(where(document))}: {counted(count, 'sentence')}</li>" for document, count in result.known_from)
    parts.append("</div>" * opened + (f"<footer><p>Known from</p><ol>{listed}</ol></footer>" if listed else "") + "</body></html>\n")
    return "".join(parts)


def html_of(sentence: SurprisingSentence) -> Iterator[str]:
    found = pieces(sentence)
    if found and found[0].kind == "space":
        yield found.pop(0).text
    yield f'<span class="heat" style="--s:{sentence.surprise:.2f}" title="{escape(told(sentence))}">'
    for piece in found:
        text = escape(piece.text)
        yield {"new": f"<ins>{text}</ins>", "missing": f"<del>{text}</del>"}.get(piece.kind, text)
    yield "</span>"


SIZES = (16, 12, 9, 6)
"""Letter heights in pixels; the first one that makes the image small enough is used."""
WIDE = 42
"""Width of a column, in letter heights."""
TALLEST = 4_000
MOST_PIXELS = 40_000_000
MARGIN = 24
HEAD = 6
"""Lines above the text."""
WORD = re.compile(r"\s+|\S+")


class Place(NamedTuple):
    """A word on the image: its line, its position in the line in pixels, and how it is drawn."""

    line: int
    x: float
    width: float
    text: str
    kind: str
    surprise: float


def heat_image(result: Surprise, chosen: Sequence[SurprisingSentence]) -> bytes:
    """A PNG of the sentences ``chosen`` in columns. Long documents get smaller letters; very long ones are cut."""
    from PIL import Image, ImageDraw

    for size in SIZES:
        font = letters(size)
        width, high = WIDE * size, size + size // 2
        places = list(lay_out(chosen, font, width))
        lines = places[-1].line + 1 if places else 1
        rows = min(lines, max(40, (TALLEST - 2 * MARGIN) // high - HEAD))
        columns = -(-lines // rows)
        wide, tall = MARGIN + columns * (width + MARGIN), 2 * MARGIN + (rows + HEAD) * high
        if wide * tall <= MOST_PIXELS:
            break
    else:
        columns = max(1, (MOST_PIXELS // tall - MARGIN) // (width + MARGIN))
        wide = MARGIN + columns * (width + MARGIN)
    image = Image.new("RGB", (wide, tall), "white")
    draw = ImageDraw.Draw(image)
    head(draw, result, size, high, cut=lines > rows * columns)
    for draw_part in (draw_ground, draw_word):  # all grounds first: none may cover a letter beside it
        for place in places:
            column, row = divmod(place.line, rows)
            if column < columns:
                x, y = MARGIN + column * (width + MARGIN) + place.x, MARGIN + (HEAD + row) * high
                draw_part(draw, place, x, y, font, high)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def letters(size: int) -> FreeTypeFont | ImageFont:
    """A font for many scripts if the machine has it, else Pillow's own."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def lay_out(chosen: Sequence[SurprisingSentence], font: FreeTypeFont | ImageFont, width: int) -> Iterator[Place]:
    """The place of each word in lines of ``width`` pixels."""
    line, x = 0, 0.0
    space = font.getlength(" ")
    for sentence in chosen:
        for piece in pieces(sentence):
            if piece.kind == "space" and "\n\n" in piece.text and x:
                line, x = line + 2, 0.0
            for word in WORD.findall(piece.text):
                if word.isspace():
                    x += space if x else 0
                for fitting in fragments(word.strip(), font, width):
                    length = font.getlength(fitting)
                    if x and x + length > width:
                        line, x = line + 1, 0.0
                    yield Place(line, x, length, fitting, piece.kind, sentence.surprise)
                    x += length


def fragments(word: str, font: FreeTypeFont | ImageFont, width: int) -> Iterator[str]:
    """A word, or parts of it that fit into ``width`` pixels."""
    while word:
        fitting = word
        while len(fitting) > 1 and font.getlength(fitting) > width:
            fitting = fitting[: len(fitting) * 3 // 4]
        yield fitting
        word = word[len(fitting) :]


def heat(surprise: float) -> tuple[int, int, int]:
    """The background colour: white for known text, hotter for more surprise."""
    strength = 0.75 * surprise
    red, green, blue = (round(255 - (255 - c) * strength) for c in HOT)
    return red, green, blue


def draw_ground(draw: ImageDraw, place: Place, x: float, y: float, font: FreeTypeFont | ImageFont, high: int) -> None:
    surprise = max(place.surprise, NEW) if place.kind == "new" else place.surprise
    draw.rectangle((x - 2, y, x + place.width + font.getlength(" "), y + high - 2), fill=heat(surprise))


def draw_word(draw: ImageDraw, place: Place, x: float, y: float, font: FreeTypeFont | ImageFont, high: int) -> None:
    draw.text((x, y + 1), place.text, fill="#777777" if place.kind == "missing" else "black", font=font)
    if place.kind == "new":
        draw.line((x, y + high - 3, x + place.width, y + high - 3), fill="#b00000", width=2)
    if place.kind == "missing":
        draw.line((x, y + high / 2, x + place.width, y + high / 2), fill="#777777")


def head(draw: ImageDraw, result: Surprise, size: int, high: int, cut: bool) -> None:
    """Draw name, counts and legend in the lines above the text."""
    font, y = letters(size), MARGIN
    shares = [f"{share(result, kind)} {label}" for kind, label in LABELS.items()]
    counts = [", ".join(shares[:2]) + ",", ", ".join(shares[2:]) + f"; mean surprise {result.mean:.2f}"]
    for line in (words(result.document)[:WIDE], f"{counted(len(result.sentences), 'sentence')}:", *counts):
        draw.text((MARGIN, y), line, fill="black", font=font)
        y += high
    for level in range(5):
        x = MARGIN + level * 4 * size
        draw.rectangle((x, y, x + 4 * size - 4, y + high - 2), fill=heat(level / 4))
        draw.text((x + 4, y + 1), f"{level / 4:.2f}", fill="black", font=font)
    if cut:
        draw.text((MARGIN, y + high), "The rest does not fit into the image.", fill="#b00000", font=font)
