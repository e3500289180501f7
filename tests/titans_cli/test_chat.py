"""The chat without a terminal: it tells errors like commands, and asks through the session that servers use."""

import subprocess
import sys

import pytest

from model import WeightsError
from titans_cli.chat.repl import Repl
from titans_cli.errors import DamagedError
from titans_cli.models import Models
from titans_cli.output import mode
from titans_cli.services.ask import conversation
from titans_cli.services.llm.client import LlmClient

GRAPES = "What did the fox say about the grapes?"


@pytest.fixture(autouse=True)
def for_people(monkeypatch):
    """Whatever command ran before in this process."""
    for name in ("json", "quiet", "verbose"):
        monkeypatch.setattr(mode, name, False)


@pytest.fixture
def chat(copied):
    made = Repl(copied.home)
    made.background.load()
    return made


def test_an_error_of_the_model_is_told_as_by_commands(copied, monkeypatch, capsys):
    def refuse(self):
        raise WeightsError("core.safetensors is damaged. Install titans again.")

    monkeypatch.setattr(Models, "fingerprint", property(refuse))
    told = copied("ask", GRAPES, code=1).stderr
    chat = Repl(copied.home)
    chat.background.load()
    chat.respond(GRAPES)
    assert capsys.readouterr().err == told == "core.safetensors is damaged. Install titans again.\n"


def test_models_that_do_not_load_are_told_as_by_commands(copied, monkeypatch, capsys):
    def refuse(self):
        raise WeightsError("core.safetensors is missing. Install titans again.")

    monkeypatch.setattr(Models, "load", refuse)
    chat = Repl(copied.home)
    chat.background.load()
    chat.respond(GRAPES)
    assert capsys.readouterr().err == "core.safetensors is missing. Install titans again.\n"


def test_a_question_is_asked_again_when_the_memory_changed_meanwhile(chat, copied, monkeypatch, capsys):
    ask, calls = conversation.ask_in_conversation, []

    def interrupted(assistant, *rest):
        calls.append(assistant)
        if len(calls) == 1:
            copied("forget", "bzip2", "--everywhere")
            raise DamagedError("Cannot read a shard.")
        return ask(assistant, *rest)

    monkeypatch.setattr(conversation, "ask_in_conversation", interrupted)
    chat.respond(GRAPES)
    shown, told = capsys.readouterr()
    assert "The Grapes are sour" in shown and "lost" not in told
    assert len(calls) == 2 and calls[0] is not calls[1]


def test_while_a_question_is_answered_nobody_else_uses_the_session(chat, monkeypatch):
    from threading import Thread

    held = []

    def look(assistant, *rest):
        def attempt() -> None:
            held.append(not chat.session.lock.acquire(blocking=False))

        other = Thread(target=attempt)
        other.start()
        other.join()
        raise DamagedError("enough")

    monkeypatch.setattr(conversation, "ask_in_conversation", look)
    chat.respond(GRAPES)
    assert held == [True]


class Stopped(LlmClient):
    """A language model whose answer the user stops."""

    def __init__(self):
        self.url, self.named = "http://localhost/v1", "m"

    def write(self, question, quotes):
        yield "The "
        raise KeyboardInterrupt


def test_after_a_stopped_answer_the_sources_are_those_of_its_question(chat, capsys):
    chat.respond("Who is the author of bzip2?")
    chat.client = Stopped()
    chat.respond(GRAPES)
    assert "Stopped." in capsys.readouterr().err
    chat.respond("/sources")
    assert "docs/aesop.html" in capsys.readouterr().out
    assert [answer.question for answer in chat.conversation.earlier] == ["Who is the author of bzip2?"]


LEAVING = """
import sys, threading
from titans_cli import interruption
def work():
    with interruption.native_work():
        begun.set()
        threading.Event().wait(60)
begun = threading.Event()
threading.Thread(target=work).start()
begun.wait()
print("said before", end="")
interruption.leave(7)
"""


def test_leaving_does_not_wait_for_native_code():
    done = subprocess.run([sys.executable, "-c", LEAVING], capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"said before", b"")
