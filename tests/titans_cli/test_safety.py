"""Text from documents, names, titles, manifests and questions never drives the terminal or Rich's markup: the bytes are looked at."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem

from ingest import SourceError
from titans_cli import output
from titans_cli.output import terminal
from titans_cli.output.sanitize import plain, words
from titans_cli.services.ask.results import Answer, Context, Evidence, RetrievedSentence
from titans_cli.services.history import Listed
from titans_cli.services.ingest.plan import Plan
from titans_cli.services.ingest.remember import Remembered
from titans_cli.services.ingest.result import IngestResult, Tally
from titans_cli.services.maintenance import Forgotten, Problem, Pruned
from titans_cli.services.novelty.report import Surprise
from titans_cli.services.novelty.score import Known, Missing, SurprisingSentence
from titans_cli.services.recite import Continuation
from titans_cli.services.snapshots import Difference, ListedSnapshot
from titans_cli.services.status import Status
from titans_cli.services.topics import Central, Overview, Topic
from titans_cli.store import Failure, Snapshot, StoredDocument, Turn

ATTACKS = {
    "colour": "\x1b[31mred",
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "C1": "\x9b31m\x9d0;owned\x9c\x90q\x9c",
    "bidi": "a\u202egnp.exe\u202c\u2066x\u2069\u200f",
    "tags": "\U000e0041\U000e0042",
    "bell and backspace": "a\x07\x08\x08b\x7f",
    "carriage return": "safe\rgone",
    "markup": "[bold red]x[/] [link=http://evil.example]y[/link] [@click=app.quit]z[/] :smile:",
    "reset": "\x1bc\x1b#8\x1b(0",
    "unfinished": "\x1b]0;never ends",
    "surrogate": "\ud800\udcff",
}
ALL = "".join(ATTACKS.values())
OURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;(?:id=\d+)?;(?:file://[!-~]*)?\x1b\\")
"""What the program itself may write: colours, and links to files."""
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f\ud800-\udfff]")

DOCUMENT = StoredDocument(f"/x/{ALL}", ALL, "0" * 64, 1, 3, 10, 1, "f" * 64, "5" * 64, 1, 0)
SNAPSHOT = Snapshot(1, ALL, None, "2026-01-01T00:00:00+00:00", "f" * 64, "d" * 64)
FAILURE = Failure(f"/x/{ALL}", ALL, "2026-01-01T00:00:00+00:00", "corrupt")
ERROR = SourceError(Path(f"/x/{ALL}".replace("\x00", "")), ALL)
EVIDENCE = Evidence(f"{ALL} seven {ALL}", ALL, 3, False, 0.5, DOCUMENT, ((len(ALL) + 1, len(ALL) + 6),), (0, 0), Context(ALL, ALL, False))
ANSWER = Answer(ALL, ALL, 0.8, (EVIDENCE, replace(EVIDENCE, page=4)), 5, None, (RetrievedSentence(ALL, ALL, 3, False, 0.7, True, True),))
TALLY = Tally(
    new=1, failed=[ERROR], forgotten=[DOCUMENT], gone=[DOCUMENT], without_text=[(ALL, (1,))], unread_pages=[(ALL, ((2, ALL),))],
    encodings=[(ALL, "cp1252")],
)  # fmt: skip
HELD = DOCUMENT, replace(DOCUMENT, id=2, imported=1)
STATUS = Status(Path("/x") / ALL.replace("\x00", ""), SNAPSHOT, HELD, 10, 1, 9, 5, 8, (FAILURE,), (FAILURE,))
TURN = Turn(ALL, "2026-01-01T00:00:00+00:00", ALL, ALL + "?", ALL, 0.5, ((ALL, ALL, 3),))
KNOWN = Known(ALL, 3, ALL, True)
SENTENCE = SurprisingSentence(f"{ALL} seven", 3, "partly", 0.5, 0.5, 0.5, 0, ((0, 9),), (Missing(4, ALL),), KNOWN)
NEW = replace(SENTENCE, kind="new", surprise=1.0, page=4, known=None)
SURPRISE = Surprise(ALL, (SENTENCE, NEW), ((ALL, 1),), 1, (1,), ((2, ALL),), 5)
TOPIC = Topic(1.0, 2, (ALL, ALL), Central(ALL, ALL, 3), ((ALL, 1.0),))
PRINTED = {
    "answer": lambda: output.print_answer(ANSWER, why=True),
    "evidence": lambda: output.print_evidence(ANSWER.evidence),
    "continuation": lambda: output.print_continuation(Continuation(ALL, ALL, 3, False, DOCUMENT)),
    "ingest": lambda: output.print_ingest(IngestResult(TALLY, False, 1.0, SNAPSHOT, True)),
    "plan": lambda: output.print_plan(Plan((), (), (), (), (), (DOCUMENT,), (ERROR,))),
    "status": lambda: output.print_status(STATUS),
    "snapshots": lambda: output.print_snapshots([ListedSnapshot(SNAPSHOT, 1, 10, True)]),
    "difference": lambda: output.print_difference(Difference((ALL,), (ALL,), (ALL,))),
    "forgotten": lambda: output.print_forgotten(Forgotten((DOCUMENT,), (SNAPSHOT,), 5)),
    "pruned": lambda: output.print_pruned(Pruned((ALL,), 1, 2), False),
    "check": lambda: output.print_check([Problem(ALL, ALL)], 0, 0),
    "diagnosis": lambda: output.print_diagnosis([Problem(ALL, ALL)], [ALL]),
    "created": lambda: output.print_created(SNAPSHOT),
    "restored": lambda: output.print_restored(SNAPSHOT, SNAPSHOT),
    "undone": lambda: output.print_undone(SNAPSHOT, SNAPSHOT),
    "deleted": lambda: output.print_deleted(ALL, 5),
    "exported": lambda: output.print_exported(SNAPSHOT, 5, Path("x")),
    "imported": lambda: output.print_imported(SNAPSHOT),
    "remembered": lambda: output.print_remembered(Remembered(DOCUMENT, SNAPSHOT)),
    "history": lambda: output.print_history(Listed((TURN,), True)),
    "surprise": lambda: output.print_surprise(SURPRISE),
    "surprise of some": lambda: output.print_surprise(SURPRISE, 0.1),
    "overview": lambda: output.print_overview(Overview(1, 2, 3, (TOPIC,))),
    "turn": lambda: output.print_turn(ANSWER),
    "error": lambda: output.print_error(ALL),
    "note": lambda: output.print_note(ALL),
    "say": lambda: output.say(ALL),
}  # fmt: skip


@pytest.fixture
def written(monkeypatch) -> io.StringIO:
    """What goes to a terminal with colours."""
    file = io.StringIO()
    for console in (terminal.out, terminal.err):
        monkeypatch.setattr(console, "_force_terminal", True)
        monkeypatch.setattr(console, "_color_system", ColorSystem.TRUECOLOR)
        monkeypatch.setattr(console, "_file", file)
        monkeypatch.setattr(console, "_width", 100)
    for name, value in vars(terminal.Mode()).items():
        monkeypatch.setattr(terminal.mode, name, value)
    return file


@pytest.mark.parametrize("name", PRINTED)
def test_nothing_that_is_printed_drives_the_terminal(written, name):
    PRINTED[name]()
    data = written.getvalue()
    left = OURS.sub("", data)
    assert "[bold red]x[/]" in re.sub(r"\s+", " ", left).replace("… ", "") or name in ("check", "exported")  # shown as it is, not obeyed
    assert not FORBIDDEN.search(left), FORBIDDEN.search(left)
    assert "http://evil" not in "".join(OURS.findall(data))
    assert "owned" not in left and "cm0gLXJmIC8=" not in left  # what a sequence carries goes with it


@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_is_taken_out_of_names(name):
    assert not FORBIDDEN.search(words(ATTACKS[name])) and "\n" not in words(f"a\n{ATTACKS[name]}\tb")


@given(st.text(st.characters(min_codepoint=0, max_codepoint=0x2100) | st.sampled_from("\x1b\x9b\x9d[]\\;m\x07"), max_size=40))
def test_plain_leaves_nothing_that_could_drive_a_terminal(text):
    once = plain(text)
    assert not FORBIDDEN.search(once) and plain(once) == once


@given(st.text(st.characters(exclude_categories=["C"]), max_size=40))
def test_plain_leaves_text_as_it_is(text):
    assert plain(text) == re.sub("[\u2028\u2029]", "", text)


def test_all_that_is_printed_is_tried():
    names = {name.removeprefix("print_") for name in output.__all__ if name.startswith("print_")}
    assert names - PRINTED.keys() == {
        "json",
        "why",
        "help",
        "documents",
        "migrated",
        "merged",
        "written",
    }  # parts of others, or tried elsewhere
