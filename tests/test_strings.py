"""tests/strings.py finds what the program says."""

import re
import subprocess
import sys

import pytest
from conftest import commands_of
from strings import messages, of_module
from typer.main import get_command

from titans_cli.app import app

MODULE = '''
"""A docstring of a module is not shown."""
NAMES = re.compile("no message either")


@command("titans sing --loud")
def sing(loud: Annotated[bool, Option("--loud", help="Sing louder.")]) -> None:
    """Sing a song.

    To the end.
    """
    if not songs:
        raise NoSongError(f"No song in {songs.folder}. Write one" " first.")
    print_note("Sung." if short else f"Sung {len(songs)} songs.")
    songs.sort("by their names")
'''
FOUND = {
    (6, "help", "titans sing --loud"),
    (7, "help", "Sing louder."),
    (8, "docstring", "Sing a song. To the end."),
    (13, "error", "No song in {songs.folder}. Write one first."),
    (14, "text", "Sung."),
    (14, "text", "Sung {len(songs)} songs."),
}


@pytest.fixture(scope="module")
def listed():
    return messages()


def test_texts_of_a_module_are_found_with_their_lines():
    assert {message[1:] for message in of_module("titans_cli/commands/sing.py", MODULE)} == FOUND


def test_every_help_text_is_listed(listed):
    known = {message.text for message in listed}
    for names, command in commands_of(get_command(app)):
        for text in [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]:
            words = " ".join((text or "").split())
            assert not words or any(words in one for one in known), (names, words)


def test_what_is_printed_is_listed(listed, titans, memorized):
    printed = [
        titans("status", code=10).stderr,
        memorized("check").stderr,
        memorized("forget", "nothing-like-it", code=2).stderr,
        memorized("recite", "words that stand nowhere", code=1).stderr,
        memorized("ask", "x", "--questions", "y", code=2).stderr,
    ]
    patterns = [".*".join(map(re.escape, re.split(r"\{[^}]*\}", message.text))) for message in listed]
    for text in printed:
        line = " ".join(text.split())
        assert any(re.fullmatch(pattern, line) for pattern in patterns if pattern != ".*"), line


def test_the_script_prints_a_line_for_each_place(listed):
    done = subprocess.run([sys.executable, "tests/strings.py", "commands/ask.py"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == sum(message.path.endswith("commands/ask.py") for message in listed) > 10
    assert all(re.match(r"titans_cli/commands/ask\.py:\d+: \w+: \S", line) for line in lines)
