"""What needle.py and babilong.py share: long text cut into files, facts put between its sentences, heat maps."""

import random
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ingest.sentences import sentence_spans
from model import load_tokenizer

__all__ = ["Haystack", "draw_heat_map", "print_heat_map"]

FILE_CHARACTERS = 8_000
"""About 2,000 tokens in a file, so that only few files change when facts are put in."""


class Haystack:
    """Files of text of ``tokens`` tokens in all (the memorizer's); their names keep the order of the text."""

    def __init__(self, texts: Sequence[str], tokens: int, folder: Path):
        self.folder = folder
        self.files: list[str] = []
        encode = load_tokenizer().encode_ordinary
        count = 0
        for text in texts:
            for first in range(0, len(text), FILE_CHARACTERS):
                if count >= tokens:
                    return
                part = text[first : first + FILE_CHARACTERS]
                ids = encode(part)
                if count + len(ids) > tokens:
                    part = part[: round(len(part) * (tokens - count) / len(ids))]
                count += len(ids)
                self.files.append(part)
        if count < tokens:
            raise SystemExit(f"There are only {count} tokens of text.")

    def path(self, number: int) -> Path:
        return self.folder / f"part-{number:05}.txt"

    def write(self) -> None:
        """All files, without facts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(self.files):
            self.path(number).write_text(text)

    def take_out(self, paths: Sequence[Path]) -> None:
        """Write files without facts again."""
        for path in paths:
            path.write_text(self.files[int(path.stem.removeprefix("part-"))])

    def put(self, facts: Sequence[tuple[float, str]]) -> list[Path]:
        """Write the facts at their depths (0 to 1, ascending) between sentences; returns the files that changed."""
        whole = sum(map(len, self.files))
        places: dict[int, list[tuple[int, str]]] = {}
        for depth, fact in facts:
            at, number = round(depth * whole), 0
            while number < len(self.files) - 1 and at > len(self.files[number]):
                at -= len(self.files[number])
                number += 1
            places.setdefault(number, []).append((sentence_end(self.files[number], at), fact))
        for number, inside in places.items():
            text, done, result = self.files[number], 0, []
            for at, fact in sorted(inside, key=lambda place: place[0]):  # stable: facts at one place keep their order
                result += [text[done:at], f" {fact} "]
                done = at
            self.path(number).write_text("".join([*result, text[done:]]))
        return [self.path(number) for number in places]


def sentence_end(text: str, at: int) -> int:
    """The first end of a sentence from ``at`` on, else the last before it, else the start."""
    ends = [after for _, after in sentence_spans(text)]
    return next((end for end in ends if end >= at), ends[-1] if ends else 0)


def colour(share: float) -> str:
    """Red over yellow to green."""
    red, green = min(255, round(510 * (1 - share))), min(200, round(400 * share))
    return f"#{red:02x}{green:02x}40"


def print_heat_map(title: str, columns: Sequence[str], rows: dict[str, Sequence[float]]) -> None:
    """Shares right, coloured, one row a line."""
    console = Console(width=140)
    width = max(len(name) for name in rows) + 2
    console.print(f"\n{title}\n{'':{width}}" + "".join(f"{column:>7}" for column in columns), highlight=False)
    for name, shares in rows.items():
        line = Text(f"{name:{width}}")
        for share in shares:
            line.append(f"{100 * share:6.0f} ", style=f"white on {colour(share)}")
        console.print(line)


def draw_heat_map(title: str, columns: Sequence[str], rows: dict[str, Sequence[float]], picture: Path, across: str) -> None:
    """The same as a PNG."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(1.5 + 0.75 * len(columns), 1.4 + 0.4 * len(rows)))
    axis.imshow([[100 * share for share in shares] for shares in rows.values()], cmap="RdYlGn", vmin=0, vmax=100, aspect="auto")
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(rows)), list(rows))
    for y, shares in enumerate(rows.values()):
        for x, share in enumerate(shares):
            axis.text(x, y, f"{100 * share:.0f}", ha="center", va="center", fontsize=8)
    axis.set_xlabel(across)
    axis.set_title(title)
    figure.tight_layout()
    picture.parent.mkdir(exist_ok=True)
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def shuffled_texts(folder: Path, seed: int = 0) -> list[str]:
    """The texts of a folder, in an order of their own."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    random.Random(seed).shuffle(paths)
    return [path.read_text("utf-8", errors="replace") for path in paths]
