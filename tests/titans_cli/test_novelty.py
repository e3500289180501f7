"""titans surprise and titans overview: what a document tells that is new, and what the memory is about."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SAMPLES, make_documents
from PIL import Image
from rich.console import Console
from rich.text import Text

from model import SentenceVectors, cluster, load_memorizer, token_nats
from titans_cli.output import print_surprise
from titans_cli.output.views import heatmap
from titans_cli.output.views import surprise as seeing
from titans_cli.services.novelty import report
from titans_cli.services.novelty.align import align, items_of
from titans_cli.services.novelty.report import Surprise
from titans_cli.services.novelty.score import Known, Missing, SurprisingSentence
from titans_cli.services.topics import fullness
from titans_cli.store import MemoryIndex

EDITED = (
    "Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in Liberty, and dedicated to "
    "the proposition that all penguins are created equal. Now we are engaged in a great civil war, testing whether that nation, or any "
    "nation so conceived, can long endure. The bakery on the corner sells croissants for two euros. We are met on a great battle-field "
    "of that war."
)


def look(titans, file: object, *options: object, stdin: str | None = None) -> dict:
    return json.loads(titans("surprise", "--json", file, *options, stdin=stdin).stdout)


def test_a_memorized_document_is_known_word_for_word_and_the_store_stays(memorized):
    before = memorized.files()
    for name in ("gettysburg-address.txt", "bill-of-rights.md", "aesop.html"):
        told = look(memorized, SAMPLES / name)
        assert told["counts"] == {"verbatim": len(told["sentences"]), "partly": 0, "reworded": 0, "new": 0}, name
        assert told["mean_surprise"] == 0
        assert all(Path(s["known"]["document"]).name == name and s["known"]["verbatim"] for s in told["sentences"])
        assert all(" ".join(s["known"]["text"].split()) == " ".join(s["text"].split()) for s in told["sentences"])
    assert memorized.files() == before


def test_edits_are_told_to_the_word(memorized, tmp_path):
    (tmp_path / "edited.txt").write_text(EDITED)
    replaced, cut, put_in, untouched = look(memorized, tmp_path / "edited.txt")["sentences"]
    assert [replaced["text"][a:b] for a, b in replaced["new"]] == ["penguins"]
    assert [m["text"] for m in replaced["missing"]] == ["men"]
    assert cut["new"] == [] and [m["text"] for m in cut["missing"]] == ["and so dedicated"]
    assert cut["text"][: cut["missing"][0]["at"]].endswith("nation so conceived")
    assert (replaced["kind"], cut["kind"], put_in["kind"], untouched["kind"]) == ("partly", "partly", "new", "verbatim")
    assert 0 == untouched["surprise"] < replaced["surprise"] < 0.5 < put_in["surprise"]
    assert put_in["known"] is None and replaced["known"]["document"].endswith("gettysburg-address.txt")


def test_json_is_the_contract(memorized, tmp_path):
    (tmp_path / "edited.txt").write_text(EDITED)
    told = look(memorized, tmp_path / "edited.txt")
    assert list(told) == [
        "version", "document", "sentences", "counts", "mean_surprise", "known_from", "memories_recited", "pages_without_text",
        "pages_not_read", "elapsed_ms",
    ]  # fmt: skip
    assert list(told["sentences"][0]) == ["text", "page", "kind", "new", "missing", "known", "surprise"]
    assert list(told["sentences"][0]["known"]) == ["document", "page", "text", "verbatim"]
    assert told["known_from"] == [{"document": told["sentences"][0]["known"]["document"], "sentences": 3}]


def test_pages_are_told(memorized, tmp_path):
    told = look(memorized, make_documents(tmp_path / "docs") / "bzip2.pdf")
    assert told["counts"]["verbatim"] == len(told["sentences"]) > 100
    right = [s["page"] == s["known"]["page"] for s in told["sentences"] if "  . ." not in s["text"]]
    assert sum(right) >= 0.9 * len(right)  # two pages of contents hold the same lines
    assert {s["page"] for s in told["sentences"]} == {1, 2, 3, 4, 5, 6} & {s["known"]["page"] for s in told["sentences"]}


def test_without_colour_the_text_says_it_and_least_leaves_out(memorized):
    lines = memorized("surprise", "-", stdin=EDITED).stdout.splitlines()
    assert lines[0].startswith("▁ ") and "all [-men-] {+penguins+} are created equal. [1]" in lines[0]
    assert lines[2].startswith("█ 9") and lines[3].startswith("▁ 00 We are met")
    assert "4 sentences: 25% known word for word, 50% known except some words, 0% known in other words, 25% new." in lines[4]
    fewer = memorized("surprise", "-", "--least", 0.5, stdin=EDITED).stdout.splitlines()
    assert fewer == [lines[2], *lines[4:]]


def made_up(text: str = "one two three four", **more: object) -> SurprisingSentence:
    facts = {"page": 2, "kind": "partly", "surprise": 0.4, "wording": 0.4, "likeness": 0.9, "nearest": 0, "new": ((4, 7),)}
    facts |= {"missing": (Missing(3, "deux"),), "known": Known("a.txt", 3, "one deux three four", True)}
    return SurprisingSentence(**{"text": text, **facts, **more})  # type: ignore[arg-type]


def result_of(*sentences: SurprisingSentence, name: str = "x.txt") -> Surprise:
    return Surprise(name, sentences, (("a.txt", len(sentences)),), 1, (), (), 5)


@pytest.mark.parametrize("colours", [True, False])
def test_it_is_readable_at_forty_columns(monkeypatch, colours):
    page = Console(file=io.StringIO(), force_terminal=True, width=40, no_color=not colours, color_system="truecolor", markup=False)
    monkeypatch.setattr(seeing, "out", page)
    long = "word " * 30 + "\x1b]0;title\x07[bold]end[/bold]."
    print_surprise(result_of(made_up(), made_up(long, kind="new", surprise=1.0, new=(), missing=(), known=None)))
    shown = page.file.getvalue()  # type: ignore[attr-defined]
    plainly = Text.from_ansi(shown).plain
    assert "title" not in shown and "[bold]end[/bold]." in plainly
    if not colours:
        assert "[-deux-] {+two+}" in plainly and all(len(line) <= 40 for line in plainly.splitlines())
    else:
        assert "\x1b[1;4;" in shown and "48;2;" in shown


def test_the_page_escapes_what_documents_say(memorized, tmp_path):
    hostile = '<script>alert("1")</script> is "what" the \x1b[31mfile & its <b>name</b> say here today.'
    (tmp_path / "<i>.txt").write_text(hostile)
    memorized("surprise", tmp_path / "<i>.txt", "--html", tmp_path / "out.html", "--png", tmp_path / "out.png")
    page = (tmp_path / "out.html").read_text()
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;" in page and "&lt;i&gt;.txt" in page
    assert not any(sign in page for sign in ("<script", "<i>", "<b>", "\x1b", "http:", "https:"))
    image = Image.open(tmp_path / "out.png")
    assert image.format == "PNG" and heatmap.heat(1.0) in {colour for _, colour in image.getcolors(1 << 20)}


def test_titles_say_where_a_sentence_is_known_from():
    page = heatmap.heat_page(result_of(made_up()), [made_up()])
    assert "from a.txt, page 3: “one deux three four”" in page
    assert "one <del>deux</del> <ins>two</ins> three four" in page and "<h2>page 2</h2>" in page


def test_files_that_exist_are_not_overwritten(memorized, tmp_path):
    (tmp_path / "out.html").write_text("mine")
    assert "already exists" in memorized("surprise", SAMPLES / "aesop.html", "--html", tmp_path / "out.html", code=2).stderr
    assert (tmp_path / "out.html").read_text() == "mine"


def test_a_long_document_becomes_an_image_that_is_not_too_large(monkeypatch):
    monkeypatch.setattr(heatmap, "MOST_PIXELS", 2_000_000)  # twenty times smaller than it is, and so the document
    many = [made_up("word " * 60, new=(), missing=(), kind="new", surprise=i % 10 / 10) for i in range(150)]
    image = Image.open(io.BytesIO(heatmap.heat_image(result_of(*many), many)))
    assert 500_000 < image.width * image.height <= 2_000_000


def test_what_cannot_be_read_is_told_in_one_line(titans, memorized, tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "bad.pdf").write_bytes(b"no PDF")
    (tmp_path / "one.txt").write_text("a")
    assert "titans ingest FOLDER" in titans("surprise", tmp_path / "one.txt", code=10).stderr
    for name, why in {"empty.txt": "is empty", "bad.pdf": "is not a readable PDF", "none.txt": "does not exist"}.items():
        said = memorized("surprise", tmp_path / name, code=1).stderr
        assert why in said and len(said.splitlines()) == 1
    assert "Name one file" in memorized("surprise", tmp_path, code=2).stderr
    assert "Unknown encoding 'nonsense'" in memorized("surprise", tmp_path / "one.txt", "--encoding", "nonsense", code=2).stderr
    assert len(look(memorized, tmp_path / "one.txt")["sentences"]) == 1
    assert "..." not in memorized("surprise", tmp_path / "one.txt").stdout


def test_a_file_without_permission_is_told(memorized, tmp_path):
    (tmp_path / "closed.txt").write_text("secret")
    (tmp_path / "closed.txt").chmod(0)
    assert "permissions" in memorized.unprivileged("surprise", tmp_path / "closed.txt", code=1).stderr


def test_interrupted_it_writes_nothing(memorized, tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "nearest_sentences", interrupt)
    assert "Interrupted" in memorized("surprise", SAMPLES / "aesop.html", "--html", tmp_path / "out.html", code=130).stderr
    assert not (tmp_path / "out.html").exists()


def test_each_memory_is_recited_once(memorized, monkeypatch):
    read_back: list[int] = []
    read = MemoryIndex.read
    monkeypatch.setattr(MemoryIndex, "read", lambda index, memories: read_back.extend(memories) or read(index, memories))
    told = look(memorized, SAMPLES / "aesop.html")
    assert len(read_back) == len(set(read_back)) and len(read_back) >= told["memories_recited"] > 3


def test_an_empty_memory_knows_nothing(copied):
    copied("forget", "gettysburg-address.txt", "bill-of-rights.md", "aesop.html", "bzip2.pdf")
    told = look(copied, SAMPLES / "aesop.html")
    assert told["counts"]["new"] == len(told["sentences"]) and told["mean_surprise"] == 1
    assert json.loads(copied("overview", "--json").stdout)["themes"] == []
    assert "0 topics" in copied("overview").stdout


def test_other_scripts_and_endless_sentences(titans, tmp_path):
    russian = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему."
    chinese = "学而时习之，不亦说乎？有朋自远方来，不亦乐乎？"
    endless = " ".join(f"number{i}" for i in range(200))
    rare = "".join(chr(0xF40 + i * i % 40) for i in range(150))  # of several tokens a character, so that pieces end within one
    (tmp_path / "a.txt").write_text(f"{russian}\n\n{chinese}\n\n{endless}\n\n{rare}\n")
    titans("ingest", tmp_path / "a.txt")
    assert look(titans, tmp_path / "a.txt")["mean_surprise"] == 0
    (tmp_path / "b.txt").write_text(f"{russian.replace('семьи', 'собаки')}\n\n{chinese.replace('朋', '猫')}\n\n{endless}\n\n{rare}\n")
    told = look(titans, tmp_path / "b.txt")["sentences"]
    assert [s["text"][a:b] for s in told for a, b in s["new"]] == ["собаки", "猫"]


CASES = {
    "same": ("The cat sat on the mat.", "the CAT  sat on the\nmat. And more.", set(), []),
    "quotes": ("She said “no more” to him.", 'She said "no more" to him.', set(), []),
    "replaced": ("The old cat sat on the mat.", "The old dog sat on the mat.", {"cat"}, ["dog"]),
    "put in": ("The cat sat proudly on the mat today.", "The cat sat on the mat today.", {"proudly"}, []),
    "taken out": ("It is painful to know the truth.", "It is not painful to know the truth.", set(), ["not"]),
    "chance": (
        "The end of a war in Spain.",
        "He was of the opinion that a man in",
        {"The", "end", "of", "a", "war", "in", "Spain", "."},
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_alignment(name):
    text, recited, new, missing = CASES[name]
    sentence, other = items_of(text), items_of(recited)
    laid = align(sentence, other)
    assert {text[a:b] for i, (a, b) in enumerate(sentence.spans) if i not in laid.known} == new
    assert [recited[other.spans[a][0] : other.spans[b - 1][1]] for _, a, b in laid.missing] == missing
    assert laid.whole == (name in ("same", "quotes"))


def test_nats_are_the_cores_own_whatever_they_are_read_with():
    memorizer = load_memorizer(torch.device("cpu"))
    rows = [list(range(300, 300 + n)) for n in (1, 7, 40)]
    together = token_nats(memorizer, rows)
    assert [len(row) for row in together] == [1, 7, 40]
    for row, nats in zip(rows, together, strict=True):
        assert sum(nats) == pytest.approx(float(memorizer.study(torch.tensor([row]), torch.tensor([len(row)])).nats), rel=1e-3)


def test_clusters_are_found_and_the_same_each_time():
    draw = np.random.default_rng(0)
    true = np.repeat([0, 1, 2], [500, 300, 100])
    vectors = np.eye(3, 16)[true] * 100 + draw.normal(0, 8, (900, 16))
    words = np.full((900, 7), 2**30 - 1, np.uint64)
    words[::9] = 0  # these say too little
    gists = SentenceVectors(vectors.clip(-127, 127).astype(np.int8), np.full(900, 0.01, np.float16), words)
    found, again = cluster(gists, 3), cluster(gists, 3)
    assert (found.labels == again.labels).all() and (found.labels[::9] == -1).all()
    said = np.arange(900) % 9 != 0
    assert (found.labels[said] == true[said]).mean() > 0.99 and list(found.sizes) == sorted(found.sizes, reverse=True)


def test_overview_tells_themes_with_recited_sentences(memorized):
    told = json.loads(memorized("overview", "--json").stdout)
    assert list(told) == ["version", "documents", "sentences", "memories", "themes"]
    assert list(told["themes"][0]) == ["share", "sentences", "words", "sentence", "documents"]
    assert sum(theme["share"] for theme in told["themes"]) == pytest.approx(1, abs=0.01)
    sentences = [theme["sentence"]["text"] for theme in told["themes"]]
    assert len(set(sentences)) == len(sentences)
    ours = (SAMPLES / "gettysburg-address.txt").read_text() + (SAMPLES / "bill-of-rights.md").read_text()
    known = " ".join(ours.split())
    assert any(sentence in known for sentence in sentences)
    assert any({"Amendment", "shall"} & set(theme["words"]) for theme in told["themes"])
    assert json.loads(memorized("overview", "--json").stdout) == told
    assert len(json.loads(memorized("overview", "--json", "--themes", 2).stdout)["themes"]) == 2
    assert "bill-of-rights.md" in memorized("overview").stdout


def test_sentences_that_say_something_stand_for_a_theme():
    full = "The first ten amendments to the Constitution were ratified in December."
    ranked = [
        full,
        f"It {full[4:]}",
        "Nobody knew that.",
        "Introduction . . . . . . . 12",
        "CHAPTER ONE",
        "a | b | c",
        "lower case and no end",
    ]
    assert [fullness(text) for text in ranked] == [3, 2, 1, 0, 0, 0, 0]
