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
        assert chat.screen.display[-1].split() == ["nothing", "memorized"]
        assert "No memory" in chat.enter("Where is the spare key?")
        assert "Memorized as told" in chat.enter("/remember The spare key of the boathouse is under the third flowerpot.")
        answered = chat.enter("Where is the spare key of the boathouse?")
        assert "under the third flowerpot" in answered and "recited word for word" in answered
        assert "1 document · " in chat.screen.display[-1]
        assert chat.leave() == 0


def test_ctrl_c_in_an_ingest_keeps_what_is_finished(titans, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("The first document is short, and soon memorized.")
    words = random.Random(0).choices((SAMPLES / "gettysburg-address.txt").read_text().split(), k=8_000)
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
