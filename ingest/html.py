"""Text of HTML pages, without scripts, styles and navigation."""

from bs4 import BeautifulSoup

__all__ = ["html_text"]

DROPPED = ("script", "style", "noscript", "template", "nav", "head", "svg")
BLOCKS = (
    "address article aside blockquote br dd div dl dt figcaption footer form h1 h2 h3 h4 h5 h6 header hr li main ol p pre "
    "section table td th tr ul"
).split()


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
