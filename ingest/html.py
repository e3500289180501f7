"""Extracts the text of HTML pages, without scripts, styles and navigation."""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import CData, NavigableString, Tag

from ingest.lines import Lines

__all__ = ["declared_text", "html_text"]

NEVER_TEXT = frozenset(
    {
        "script",
        "style",
        "noscript",
        "template",
        "head",
        "title",
        "svg",
        "iframe",
        "object",
        "select",
        "textarea",
        "datalist",
        "annotation",
        "annotation-xml",
    }
)
LINES = frozenset(
    {"address", "br", "dd", "div", "dt", "figcaption", "fieldset", "form", "legend", "li", "summary", "tbody", "thead", "tfoot", "hr"}
)
PARAGRAPHS = frozenset(
    {
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "details",
        "dl",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "ul",
    }
)
WHOLE = frozenset({"html", "body", "main", "article"})
"""Elements that are never a menu, whatever their class."""
PARTS = frozenset({"main", "article", "section", "blockquote", "figure"})
"""A header or footer in one of these is its own, not the page's."""
ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "menu", "menubar"})
MENUS = frozenset(
    {
        "breadcrumb",
        "breadcrumbs",
        "sidebar",
        "toc",
        "menu",
        "menus",
        "nav",
        "navbar",
        "navigation",
        "pagination",
        "pager",
        "share",
        "social",
        "related",
    }
)
"""Words in the class or id of elements that are skipped if they are mostly links."""
COOKIES = re.compile(r"cookie[-_]?(banner|consent|notice|bar|popup|law|message)|consent[-_]?(banner|popup)|gdpr|onetrust|cookiebot", re.I)
SHORTEST_QUESTION = 20
"""Characters from which a button counts as a heading that unfolds text, not as a command."""
LONGEST_NOTICE = 3_000
"""Most characters of a cookie notice; a longer text is about cookies."""
HIDDEN = re.compile(r"(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.I)
SKIP_LINK = re.compile(r"(skip|jump) to\b", re.I)
PERMALINKS = frozenset("¶#§")
MOSTLY = 0.5
"""Share of the characters in links from which a block counts as a menu."""
LEAST = 0.4
"""Share of the characters outside links below which the remaining text is not complete."""
LOST = 0.01
"""Share of the characters that may be missing in the encoding that a page declares."""

Event = tuple[Literal["start", "end"], Tag] | tuple[Literal["text"], str]


def declared_text(data: bytes) -> str | None:
    """Decode ``data`` in the encoding that it declares. None if it declares none that fits, or has a byte order mark.

    As in browsers, ISO 8859-1 means Windows-1252.
    """
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return None
    name = EncodingDetector.find_declared_encoding(data, is_html=True)
    if name is None or name.lower().startswith(("utf-16", "utf-32")):  # it would not have been found if it were so
        return None
    try:
        text = data.decode("cp1252" if name.lower() in ("iso-8859-1", "latin-1", "latin1", "ascii", "us-ascii") else name, "replace")
    except (UnicodeError, LookupError):
        return None
    return text if text.count("\N{REPLACEMENT CHARACTER}") <= LOST * len(text) else None


def html_text(markup: str, titled: bool = True) -> str:
    """The text of ``markup``, with one line per block and per table row; with ``titled`` the title comes first."""
    before, end, after = markup.rpartition("-->")
    with warnings.catch_warnings(action="ignore"):  # XHTML is read as HTML, and short pages look like file names
        soup = BeautifulSoup(before + end + after.replace("<!--", ""), "html.parser")  # which is slow with unclosed comments
    title = " ".join(soup.title.get_text(" ").split()) if soup.title and titled else ""
    survey = Survey()
    survey.look_at(soup)
    body = write(soup, survey.left_out)
    outside_links = survey.size(soup) - survey.linked(soup)
    if not body or len(body) < LEAST * outside_links:
        body = write(soup, never_text)
    return f"{title}\n\n{body}" if title and body.partition("\n")[0] != title else body


def never_text(tag: Tag) -> bool:
    return tag.name in NEVER_TEXT


def events(root: Tag, skip: Callable[[Tag], bool]) -> Iterator[Event]:
    """Tags and texts below ``root`` in document order, without skipped ones. Not recursive, because pages may nest to any depth."""
    open_tags = [(root, iter(root.contents))]
    while open_tags:
        tag, rest = open_tags[-1]
        child = next(rest, None)
        if child is None:
            open_tags.pop()
            if open_tags:
                yield "end", tag
        elif isinstance(child, Tag):
            if not skip(child):
                yield "start", child
                open_tags.append((child, iter(child.contents)))
        elif isinstance(child, NavigableString) and type(child) in (
            NavigableString,
            CData,
        ):  # its other kinds are comments, scripts and the like
            yield "text", str(child)


@dataclass
class Survey:
    """Facts about a page's elements, by identity, that are needed to recognise its navigation."""

    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)  # characters of text, and of those in links
    owned: set[int] = field(default_factory=set)  # headers and footers of a part of the page
    headed: set[int] = field(default_factory=set)  # headers with the page's heading

    def size(self, tag: Tag) -> int:
        return self.sizes[id(tag)][0]

    def linked(self, tag: Tag) -> int:
        return self.sizes[id(tag)][1]

    def look_at(self, root: Tag) -> None:
        counts, links, parts, headers = [[0, 0]], 0, 0, [0]
        for kind, item in events(root, never_text):
            if isinstance(item, str):
                length = len(item.strip())
                counts[-1][0] += length
                counts[-1][1] += length if links else 0
                continue
            step = 1 if kind == "start" else -1
            links += step * (item.name == "a")
            parts += step * (item.name in PARTS)
            if kind == "start":
                counts.append([0, 0])
                if item.name in ("header", "footer"):
                    headers.append(id(item))
                    if parts:
                        self.owned.add(id(item))
                elif item.name == "h1":
                    self.headed.add(headers[-1])
            else:
                length, linked = counts.pop()
                self.sizes[id(item)] = length, linked
                counts[-1][0] += length
                counts[-1][1] += linked
                if item.name in ("header", "footer") and headers.pop() in self.headed:
                    self.headed.add(headers[-1])
        self.sizes[id(root)] = counts[0][0], counts[0][1]

    def left_out(self, tag: Tag) -> bool:
        """Whether ``tag`` is not part of the text: a script, hidden, or navigation."""
        if tag.name in NEVER_TEXT or is_hidden(tag) or tag.name == "nav" or str(tag.get("role", "")).lower() in ROLES:
            return True
        if tag.name == "footer" or (tag.name == "header" and id(tag) not in self.headed):
            return id(tag) not in self.owned or self.is_mostly_links(tag)
        if tag.name == "a":
            text = tag.get_text().strip() if self.size(tag) < LONGEST_NOTICE else ""
            return text in PERMALINKS or (str(tag.get("href", "")).startswith("#") and SKIP_LINK.match(text) is not None)
        if tag.name == "button":
            return self.size(tag) < SHORTEST_QUESTION
        if tag.name in WHOLE:
            return False
        names = " ".join(listed(tag.get("class"))) + " " + str(tag.get("id") or "")
        if COOKIES.search(names) and self.size(tag) < LONGEST_NOTICE:
            return True
        menu = tag.name == "aside" or not MENUS.isdisjoint(re.split(r"[-_\s]+", names.lower()))
        return menu and self.is_mostly_links(tag)

    def is_mostly_links(self, tag: Tag) -> bool:
        return self.linked(tag) > MOSTLY * self.size(tag)


def listed(value: object) -> list[str]:
    """The value of an attribute that can have several values."""
    return [] if value is None else [value] if isinstance(value, str) else [str(one) for one in value]  # type: ignore[attr-defined]


def is_hidden(tag: Tag) -> bool:
    hidden = tag.get("hidden")
    if hidden is not None and str(hidden).lower() != "until-found":  # which a reader unfolds
        return True
    return tag.get("aria-hidden") == "true" or HIDDEN.search(str(tag.get("style", ""))) is not None


def write(root: Tag, skip: Callable[[Tag], bool]) -> str:
    """Write the text below ``root``, without skipped elements."""
    lines, verbatim = Lines(), 0
    acts = {
        ("start", "table"): lines.start_table,
        ("start", "tr"): lines.start_row,
        ("start", "td"): lines.start_cell,
        ("start", "th"): lines.start_cell,
        ("end", "tr"): lines.end_row,
        ("end", "table"): lines.end_table,
        **{(kind, name): lines.end_line for kind in ("start", "end") for name in LINES},
        **{(kind, name): lines.end_paragraph for kind in ("start", "end") for name in PARAGRAPHS},
    }
    for kind, item in events(root, skip):
        if isinstance(item, str):
            if verbatim:
                lines.add_verbatim(item)
            else:
                lines.add(item)
            continue
        act = acts.get((kind, item.name))
        if act is not None:
            act()
        if item.name == "pre":
            verbatim += 1 if kind == "start" else -1
    return lines.text()
