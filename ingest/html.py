"""Text of HTML pages, without scripts, styles and navigation."""

import re

from bs4 import BeautifulSoup

__all__ = ["html_text"]

DROPPED = ("script", "style", "noscript", "template", "nav", "head", "svg")
BLOCKS = re.compile("^(address|article|aside|blockquote|br|d[dlt]|div|fig.*|footer|form|h[1-6r]|header|li|main|ol|p|pre|section|t.*|ul)$")


def html_text(markup: bytes) -> str:
    """Readable text of ``markup``, a line for each block; the title comes first."""
    soup = BeautifulSoup(markup, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for element in soup(DROPPED):
        element.decompose()
    for pre in soup("pre"):
        pre.string = pre.get_text().replace("\n", "\x00")
    for block in soup(BLOCKS):
        block.insert_before("\n")
        block.insert_after("\n")
    lines = (" ".join(line.split(" ")).strip() for line in soup.get_text().split("\n"))
    body = "\n".join(line for line in lines if line).replace("\x00", "\n")
    return f"{title}\n\n{body}" if title else body
