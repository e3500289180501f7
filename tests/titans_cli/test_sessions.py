"""Whole sessions in a real pseudo-terminal: what a person sees, and every byte that reaches the terminal."""

import random
import re
import sys
from pathlib import Path

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
        assert "Nothing is memorized yet. Start with /ingest FOLDER or /remember TEXT." in chat.words()
        chat.wait(r"\nnothing memorized")
        assert "No memory" in chat.enter("Where is the spare key?")
        assert "Memorized as told" in chat.enter("/remember The spare key of the boathouse is under the third flowerpot.")
        answered = chat.enter("Where is the spare key of the boathouse?")
        assert "under the third flowerpot" in answered and "recited word for word" in answered
        chat.wait(r"\n.*1 document · .* tokens · cpu")
        assert chat.leave() == 0


def test_ctrl_c_in_an_ingest_keeps_what_is_finished(titans, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("The first document is short, and soon memorized.")
    words = random.Random(0).choices((SAMPLES / "gettysburg-address.txt").read_text().split(), k=4_000)
    (folder / "b.txt").write_text(" ".join(words))  # time for the key to be pressed
    (folder / "c.txt").write_text("The last document is short, and never reached.")
    with Terminal(titans.home, "ingest", str(folder)) as terminal:
        terminal.wait(r"━.* \d+% .*tokens/s")
        while recorded_documents(titans.home) == 0:
            assert terminal.read(), terminal.text()
        terminal.type(INTERRUPT)
        assert terminal.end() == 130
        assert "Interrupted. Finished documents are kept. Run the same command again to continue." in terminal.words()
        assert "Traceback" not in terminal.text() and "tokens/s" not in terminal.screen.display[0]
    listed = titans("status").stdout
    assert "a.txt" in listed and "c.txt" not in listed
    resumed = run(titans.home, "ingest", str(folder)).words()
    assert "2 new, 1 unchanged, 0 failed" in resumed or "1 new, 2 unchanged, 0 failed" in resumed  # b.txt may have been done just then
    again = Titans(tmp_path / "again")
    again("ingest", folder)
    assert digest(titans) == digest(again)


LOADED = ("", "libtorch_cpu", "_safetensors_rust", "_tiktoken") if sys.platform == "linux" else ("",)
"""Libraries in the order in which they are loaded: at once, torch is loading, the weights are, all but the tokenizer is loaded."""


@pytest.mark.parametrize("library", LOADED)
def test_leaving_while_models_load(memorized, library):
    with Terminal(memorized.home, "chat") as chat:
        chat.ready()
        while library and library not in Path(f"/proc/{chat.process.pid}/maps").read_text():
            assert chat.read(), chat.text()
        assert chat.leave() == 0
        assert chat.words().startswith("4 documents in memory. /help for help, Ctrl-D to leave. titans>")
        assert not re.search("Traceback|Exception|terminate", chat.text())


def test_a_chat_with_all_its_keys(copied):
    with Terminal(copied.home, "chat") as chat:
        chat.ready()
        chat.type(GRAPES + "\r")
        chat.wait("Answering")  # the models load still
        chat.type(INTERRUPT)
        chat.wait("Stopped")
        chat.ready()
        answered = chat.enter(GRAPES)
        assert "The Grapes are sour" in answered and "docs/aesop.html · recited word for word" in answered
        chat.wait(r"\nauto-1 · 4 documents · [\d,]+ tokens · cpu")

        chat.type("And the Crow?\r")
        chat.wait(r"And the Crow\?\n.*Answering")  # the models are there
        chat.type(INTERRUPT)
        chat.wait(r"And the Crow\?\nStopped")
        chat.ready()
        assert "Understood as: What did the Crow say about the grapes?" in chat.enter("And the Crow?")
        assert re.search(r"What was retrieved .*█+░* \d\.\d\d docs/aesop.html .* sure of it", chat.enter("/why"))

        chat.type("half a line that nobody wants")
        chat.type(INTERRUPT)
        chat.ready()
        chat.type("\x1b[200~What did the fox\nsay about\nthe grapes?\x1b[201~")
        chat.wait(r"titans> What did the fox\n +say about\n +the grapes\?")
        assert "The Grapes are sour" in chat.press("\r")
        assert re.search("hiding her disappointment and saying: .* The Hare and the Tortoise", chat.enter("/sources"))
        chat.type("/docs\x1b\rbzip2")
        chat.wait(r"titans> /docs\n +bzip2")
        assert re.search(r"document pages tokens memories docs/bzip2.pdf 6 [\d,]+ \d+$", chat.press("\r"))
        assert "Unknown command /suorces. Did you mean /sources or /docs?" in chat.enter("/suorces")

        chat.type("/so")
        chat.settle()
        chat.type(TAB)
        chat.wait(r"titans> /sources")
        chat.type(INTERRUPT)
        chat.ready()
        chat.type("/docs rights")
        chat.settle()  # the menu is there: as fast as a machine types, Tab would come before it
        chat.type(TAB)
        chat.wait(r"titans> /docs docs/bill-of-rights.md")
        assert re.search(r"docs/bill-of-rights.md \d+ \d+$", chat.press("\r"))
        chat.type(F4)
        chat.wait(r"\nauto-1 .* · vi\b")
        assert chat.leave() == 0 and "Traceback" not in chat.text()


def test_a_conversation_goes_on_after_a_restart(copied):
    with Terminal(copied.home, "chat") as chat:
        chat.ready()
        assert "The Grapes are sour" in chat.enter(GRAPES)
        assert chat.leave() == 0
    with Terminal(copied.home, "chat", "--vi", columns=160) as chat:
        chat.ready()
        chat.wait(r"\nauto-1 .* · vi\b")
        chat.type(UP)
        chat.wait("titans> " + re.escape(GRAPES))
        chat.type(ESCAPE)
        chat.settle()
        chat.type("ddi")
        chat.ready()
        assert re.search(
            f"{re.escape(GRAPES)} The Grapes are sour, and not ripe as I thought Continuing 20.* \\(1 question\\)", chat.enter("/load")
        )
        assert "Understood as: What did the Crow say about the grapes?" in chat.enter("And the Crow?")
        copied("history", "--off")
        chat.enter("Who wrote nothing of this down?")
        assert chat.leave() == 0
    shown = run(copied.home, "history").words()
    assert re.search(
        f"{re.escape(GRAPES)} The Grapes are sour, .*And the Crow. understood as: What did the Crow say about the grapes", shown
    )
    assert "nothing of this" not in shown and "History is off. Turn it on: titans history --on" in shown


def printed(terminal: Terminal) -> list[str]:
    """What programs wrote between prompts, without escape sequences, as lines."""
    told = re.findall(rb"(?:\A|\x1b\[\?2004l)(.*?)(?:\x1b\[\?2004h|\Z)", terminal.raw, re.DOTALL)
    plain = re.sub(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x1b]*\x1b\\\\", b"", b"\n".join(told))
    return [line.rpartition("\r")[2] for line in plain.decode().replace("\r\n", "\n").split("\n")]


@pytest.mark.parametrize("columns", [40, 160])
def test_lines_fit_and_nothing_is_coloured(copied, columns):
    environment = {"NO_COLOR": "1", "TITANS_HISTORY": "off"}
    with Terminal(copied.home, "chat", columns=columns, environment=environment) as chat:
        chat.ready()
        assert "The Grapes are sour" in chat.enter(GRAPES) if columns == 40 else chat.enter("/snapshot")
        for line in ("/why", "/help", "/docs", "/snapshot", "/nonsense", "/recite testing whether"):
            chat.enter(line)
        chat.wait(r"\nauto-1 · 4 documents[^\n]*$")
        assert chat.leave() == 0
    status = run(copied.home, "status", columns=columns, environment=environment)
    usage = run(copied.home, "--help", columns=columns, environment=environment)
    for terminal in (chat, status, usage):
        assert not COLOR.search(terminal.raw)
        lines = printed(terminal)
        assert len(lines) > 5 and max(map(len, lines)) <= columns
    words = set(chat.words().split())
    assert {"memorized", "conversation", "docs/gettysburg-address.txt", "auto-1", "battle-field"} <= words
    if columns == 40:
        assert re.search(rb"\x1b\[1;(3;)?4mThe Grapes", chat.raw)  # the answer in its evidence
    assert "grapes" not in copied("history").stdout


def test_a_dumb_terminal(copied):
    asked = run(copied.home, "ask", GRAPES, environment={"TERM": "dumb"})
    assert "**The Grapes are sour, and not ripe as I thought**" in asked.words() and b"\x1b" not in asked.raw
    with Terminal(copied.home, "chat", environment={"TERM": "dumb"}) as chat:
        chat.wait("titans>")
        chat.type("/docs\r")
        chat.wait(r"gettysburg-address.txt .*\ntitans>")
        chat.type("\x04")
        assert chat.end() == 0
        assert b"\x1b" not in chat.raw


def test_a_locale_without_utf_8(copied):
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    with Terminal(copied.home, "chat", environment=environment) as chat:
        chat.ready()
        assert '"At last she turned away, hiding her disappointment and saying: "The Grapes are sour' in chat.enter(GRAPES)
        assert re.search(r"> #+\.* \d\.\d\d docs/aesop.html", chat.enter("/why"))
        assert "/ingest PATH ... memorize files and folders" in chat.enter("/help")
        chat.wait(r"\nauto-1 - 4 documents - .* tokens - cpu")
        assert chat.leave() == 0
    status = run(copied.home, "status", environment=environment)
    usage = run(copied.home, "--help", environment=environment)
    for terminal in (chat, status, usage):
        assert terminal.raw.isascii() and "Traceback" not in terminal.text() and "??" not in terminal.text()


HOSTILE = "\x1b[2J\x1b]0;owned\x07\x1b]52;c;aGk=\x07\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\\x9b31m\u202e[bold red]x[/] [link=http://evil]y[/link]"


def test_hostile_text_controls_nothing(titans, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / f"ev{HOSTILE.replace('/', '-')}il.txt").write_text(f"The captain keeps {HOSTILE} seven parrots in the third cabin.")
    ingest = run(titans.home, "ingest", str(folder))
    asked = run(titans.home, "ask", f"What does the captain {HOSTILE} keep?", "--why")
    status = run(titans.home, "status")
    with Terminal(titans.home, "chat") as chat:
        chat.ready()
        assert "[bold red]x" in chat.enter("/docs")
        chat.type("/forget ev" + TAB)
        chat.settle()
        chat.type(INTERRUPT)
        chat.ready()
        chat.type(UP)
        chat.settle()
        chat.type(INTERRUPT)
        chat.ready()
        assert chat.leave() == 0
    assert "[bold red]x[/] [link=http://evil]y[/link] seven parrots" in asked.words()
    for terminal in (ingest, asked, status, chat):
        text = terminal.raw.decode()
        assert not re.search("[\x80-\x9f\u202a-\u202e\u2066-\u2069]", text)
        assert "\x1b[2J" not in text and "owned\x07" not in text
        assert not re.search(r"\x1b\](?!8;)", text)
        assert all(re.match(r"id=\d+;file:///|;$", where) for where in re.findall(r"\x1b\]8;(.*?)\x1b\\", text))
