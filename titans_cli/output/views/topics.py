"""Shows the topics of the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from titans_cli.output import json_output
from titans_cli.output.sanitize import words
from titans_cli.output.terminal import contract, counted, out, show, where

if TYPE_CHECKING:
    from titans_cli.services.topics import Overview, Topic


@contract(json_output.of_overview)
def print_overview(overview: Overview) -> None:
    held = f"{counted(overview.documents, 'document')}, {counted(overview.sentences, 'sentence')}"
    show(Text(f"{held}: {counted(len(overview.topics), 'topic')}", style="bold"))
    most = max((topic.share for topic in overview.topics), default=1.0)
    for topic in overview.topics:
        print_topic(topic, most)


def print_topic(topic: Topic, most: float) -> None:
    width = max(4, min(24, out.width // 4))
    filled = topic.share / most * width
    bar = "█" * int(filled) + " ▏▎▍▌▋▊▉"[int(filled % 1 * 8)].strip()
    out.print()
    show(Text.assemble((bar, "green"), f" {topic.share:.0%}  ", (", ".join(map(words, topic.words)), "bold")))
    lines = []
    if topic.sentence is not None:
        lines.append(Text(f"“{words(topic.sentence.text)}”", "italic"))
        lines.append(Text(where(topic.sentence.document, topic.sentence.page), "cyan"))
    listed = ", ".join(f"{where(document)} {part:.0%}" for document, part in topic.documents)
    lines.append(Text(f"mostly in {listed}", "dim"))
    for line in lines:
        show(line, indent=2)
