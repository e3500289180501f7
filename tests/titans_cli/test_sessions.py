"""Whole sessions in a real pseudo-terminal: what a person sees, and every byte that reaches the terminal."""

import random
import re
import sys
import time

import pytest
from conftest import SAMPLES, Titans

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminals of this kind", allow_module_level=True)

from terminal import Terminal
from test_commands import recorded_documents

GRAPES = "What did the fox say about the grapes?"
COLOR = re.compile(rb"\x1b\[(?:\d*;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d*)*m")
INTERRUPT = "\x03"
UP, TAB, F4, ESCAPE = "\x1b[A", "\t", "\x1bOS", "\x1b"


def run(home, *arguments: str, code: int = 0, **more) -> Terminal:
    """A command that ends by itself; its terminal, to be looked at."""
    with Terminal(home, *arguments, **more) as terminal:
        assert terminal.end() == code, terminal.text()
        assert "Traceback" not in terminal.text()
        return terminal


def digest(titans: Titans) -> str:
    return titans("snapshot", "list").stdout.split()[-1]


def test_first_steps_without_a_store(titans):
    assert "Run: titans ingest FOLDER" in run(titans.home, "ask", GRAPES, code=10).words()
    with Terminal(titans.home, "chat") as chat:
        chat.ready()
        assert "Nothing is memorized yet: /ingest FOLDER, or /remember TEXT" in chat.words()
        chat.wait(r"\nnothing memorized")
        assert "No memory" in chat.enter("Where is the spare key?")
        assert "Memorized as told" in chat.enter("/remember The spare key of the boathouse is under the third flowerpot.")
        answered = chat.enter("Where is the spare key of the boathouse?")
        assert "under the third flowerpot" in answered and "recited word for word" in answered
        chat.wait(r"\n.*1 document · .* tokens · cpu · ")
        assert chat.leave() == 0


def test_ctrl_c_in_an_ingest_keeps_what_is_finished(titans, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("The first document is short, and soon memorized.")
    words = random.Random(0).choices((SAMPLES / "gettysburg-address.txt").read_text().split(), k=5_000)
    (folder / "b.txt").write_text(" ".join(words))  # time for the key to be pressed
    (folder / "c.txt").write_text("The last document is short, and never reached.")
    with Terminal(titans.home, "ingest", str(folder)) as terminal:
        terminal.wait(r"━.* \d+% .*tokens/s")
        while recorded_documents(titans.home) == 0:
            assert terminal.read(), terminal.text()
        terminal.type(INTERRUPT)
        assert terminal.end() == 130
        assert "Interrupted. What was finished is kept; run the same command again for the rest." in terminal.words()
        assert "Traceback" not in terminal.text() and "tokens/s" not in terminal.screen.display[0]
    listed = titans("status").stdout
    assert "a.txt" in listed and "c.txt" not in listed
    assert "2 new, 1 unchanged, 0 failed" in run(titans.home, "ingest", str(folder)).words()
    again = Titans(tmp_path / "again")
    again("ingest", folder)
    assert digest(titans) == digest(again)


def test_a_chat_with_all_its_keys(copied):
    with Terminal(copied.home, "chat", environment={"TITANS_HISTORY": "on"}) as chat:
        chat.ready()
        chat.type(GRAPES + "\r")
        chat.wait("Remembering")  # the models load still
        chat.type(INTERRUPT)
        chat.wait("Stopped")
        chat.ready()
        answered = chat.enter(GRAPES)
        assert "The Grapes are sour" in answered and "docs/aesop.html · recited word for word" in answered
        chat.wait(r"\nauto-1 · 4 documents · [\d,]+ tokens · cpu · ")

        what = "What did the Crow want to drink from?"
        assert "pitcher" in chat.enter(what)
        followed = chat.enter("What did it find?")
        assert re.search(r"Understood as: What did .*(Crow|pitcher).* find\?", followed)
        assert re.search(r"What the question woke .*▸ █+░* \d\.\d\d docs/aesop.html .* sure of it", chat.enter("/why"))
        assert re.search("hoping to find water, .*reached it", chat.enter("/sources"))
        assert re.search(r"document pages tokens memories docs/aesop.html \d+ \d+ .*docs/bzip2.pdf 6 ", chat.enter("/docs"))
        assert "There is no /suorces. Do you mean /sources?" in chat.enter("/suorces")

        chat.type("half a line that nobody wants")
        chat.type(INTERRUPT)
        chat.ready()
        chat.type("What did the fox say\x1b\rabout the grapes?")
        chat.wait(r"titans> What did the fox say\n +about the grapes\?")
        assert "The Grapes are sour" in chat.press("\r")
        chat.type("\x1b[200~What did the fox\nsay about\nthe grapes?\x1b[201~")
        chat.wait(r"titans> What did the fox\n +say about\n +the grapes\?")
        assert "The Grapes are sour" in chat.press("\r")

        chat.type("/so" + TAB)
        chat.wait(r"titans> /sources")
        chat.type(INTERRUPT)
        chat.ready()
        assert re.search(r"docs/bill-of-rights.md 677", chat.press("/docs bill" + TAB + "\r"))
        chat.type(F4)
        chat.wait(r"\nauto-1 .* · vi\n*$")
        assert chat.leave() == 0 and "Traceback" not in chat.text()
