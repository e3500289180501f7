"""HTML: the article stays, menus go, tables keep their rows, encodings are respected."""

from pathlib import Path

import pytest

from ingest import Source, SourceError, read_document
from ingest.html import html_text

ARTICLE = "<main><h1>On bees</h1><p>Bees live in <b>hives</b>, and\n they make honey from what they find in flowers all summer.</p></main>"
TEXT = "On bees\n\nBees live in hives, and they make honey from what they find in flowers all summer."
LINKS = "".join(f"<li><a href='/{n}'>Menu item {n}</a></li>" for n in range(20))


def test_the_article_is_readable():
    assert html_text(f"<title>On bees</title><body>{ARTICLE}") == TEXT
    assert html_text(f"<title>Bees</title><body>{ARTICLE}") == f"Bees\n\n{TEXT}"


@pytest.mark.parametrize(
    "menu",
    [
        f"<nav>{LINKS}</nav>",
        f"<div role='navigation'>{LINKS}</div>",
        "<div role=banner>The Bee Company</div>",
        "<form role=search><label>Search the site</label><input></form>",
        f"<header>Bees Inc.<ul>{LINKS}</ul></header>",
        "<footer><p>© 2020 Bees Inc. All rights reserved.</p></footer>",
        f"<aside><h2>More</h2>{LINKS}</aside>",
        f"<div class='left-sidebar'>{LINKS}</div>",
        f"<ol id=toc>{LINKS}</ol>",
        f"<ul class='breadcrumb'>{LINKS}</ul>",
        "<a href='#main'>Skip to content</a>",
        "<div class='cookie-banner'>We use cookies. <button>Accept</button></div>",
        "<div hidden>Secret</div><p style='color: red; display: none'>Secret</p><i aria-hidden=true>Secret</i>",
        "<script>var secret</script><style>p {}</style><noscript>No script</noscript><template>x</template><!-- a comment -->",
        "<select><option>Albania<option>Zimbabwe</select>",
    ],
)
def test_navigation_is_left_out(menu):
    assert html_text(f"<body>{menu}{ARTICLE}") == TEXT


@pytest.mark.parametrize(
    "part",
    [
        "<article><header><p>By A. Keeper</p></header><p>Text.</p><footer><p>Written in May.</p></footer></article>",
        "<aside>A note about wasps, which are no bees.</aside>",
        "<div class='menu'>The restaurant's menu has soup, bread and honey.</div>",
        "<header><h1>The title</h1><p>By A. Keeper</p></header>",
        "<blockquote>To be.<footer>Hamlet</footer></blockquote>",
        "<h3><button>How long do the bees live in winter?</button></h3>",
        "<details><summary>More</summary>Unfolded text.</details><div hidden=until-found>Found text.</div>",
    ],
)
def test_what_is_text_stays(part):
    kept = html_text(f"<body>{ARTICLE}{part}").split()
    assert [word for word in html_text(part).split() if word not in kept] == []
    assert len(kept) > len(TEXT.split())


def test_the_article_is_never_lost():
    inside = f"<body><nav>{ARTICLE}</nav><p>x"
    assert TEXT in html_text(inside)
    assert "Menu item 3" in html_text(f"<body><nav>{LINKS}</nav>")


def test_rows_of_tables_are_lines():
    table = "<table><tr><th>Name<th>Age</tr><tr><td><p>Ann</p></td><td>31</td></tr><tr><td></td><td><b>7</b>2</td></tr></table>"
    assert html_text(f"<p>Before</p>{table}<p>After</p>") == "Before\n\nName | Age\nAnn | 31\n| 72\n\nAfter"


def test_unclosed_cells_and_rows_are_told_apart():
    assert html_text("<table><tr><td>a<td>b<tr><td>c<td>d</table>") == "a | b\nc | d"


def test_tables_in_tables_and_pages_laid_out_with_them():
    inner = "<table><tr><td>a<td>b</table>"
    assert html_text(f"<table><tr><td>x<td>{inner}</table>") == "x | a | b"
    long = "<p>" + "many words of text " * 80
    assert html_text(f"<table><tr><td>Menu<td>{long}{long}</table>").count("\n") >= 2


def test_preformatted_text_keeps_its_lines():
    assert html_text("<p>Run:<pre>if x:\n    go()\n\nend</pre>") == "Run:\n\nif x:\n    go()\n\nend"


def test_comments_without_end_hide_nothing():
    assert html_text("<p>one<!-- two<!-- three <!-- x --> <p>four <!-- five") == "one\n\nfour five"


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("<meta charset=iso-8859-1>", "cp1252"),
        ("<meta http-equiv=Content-Type content='text/html; charset=koi8-r'>", "koi8-r"),
        ("<?xml version='1.0' encoding='shift_jis'?>", "shift_jis"),
        ("<meta charset=utf-16>", "utf-8"),
        ("<meta charset=utf-8>", "cp1252"),
        ("<meta charset=no-such>", "utf-8"),
        ("", "utf-8"),
        ("<meta charset=koi8-r>", "utf-8-sig"),
        ("", "utf-16"),
    ],
)
def test_encodings_are_respected(tmp_path, head, encoding):
    text = {"koi8-r": "Жил-был старик", "shift_jis": "吾輩は猫である"}.get(encoding, "Grüße, weiße Füße und die „schöne“ Größe")
    (tmp_path / "a.html").write_bytes(f"{head}<p>{text}</p>".encode(encoding))
    assert read_document(Source(tmp_path / "a.html", "a.html")).pages[0].text == text


def test_what_the_parser_rejects_is_a_source_error(tmp_path):
    (tmp_path / "a.html").write_bytes(b"<![" * 9)
    with pytest.raises(SourceError):
        read_document(Source(Path(tmp_path / "a.html"), "a.html"))


@pytest.mark.parametrize("markup", ["<div>" * 20_000 + "deep", "<table><tr><td>" * 3_000 + "deep", "<p>x<b>" * 5_000 + "deep"])
def test_deep_pages_are_read(markup):
    assert html_text(markup).endswith("deep")
