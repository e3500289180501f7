"""A real pseudo-terminal with a screen: what a person at it would see."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pexpect
import pyte

__all__ = ["Terminal"]

PATIENCE = 120.0
"""Seconds to wait for what is expected: a busy machine loads models slowly."""
PROMPTED = b"\x1b[?2004h"
"""What a prompt begins with: pasted text comes in brackets from now on."""


class Screen(pyte.HistoryScreen):
    """Answers what programs ask of a terminal, such as where the cursor is."""

    def __init__(self, columns: int, lines: int, reply: Callable[[str], None]):
        super().__init__(columns, lines, history=5_000, ratio=1)
        self.write_process_input = reply

    def report_device_status(self, mode: int = 0, **_: object) -> None:
        if mode == 6:
            self.write_process_input(f"\x1b[{self.cursor.y + 1};{self.cursor.x + 1}R")


class Terminal:
    """Runs ``titans`` with ``arguments`` in a terminal of that size. ``raw`` is every byte that it wrote."""

    def __init__(self, home: Path, *arguments: str, columns: int = 100, lines: int = 40, environment: dict[str, str] | None = None):
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR")}
        kept |= {
            "TERM": "xterm-256color",
            "TITANS_HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "OMP_WAIT_POLICY": "passive",
            **(environment or {}),
        }
        command = ["-m", "titans_cli", *arguments]
        heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background job inherits SIGINT ignored
        size = (lines, columns)
        self.process = pexpect.spawn(sys.executable, command, dimensions=size, env=kept, timeout=PATIENCE, preexec_fn=heed)
        self.process.delaybeforesend = None
        self.screen = Screen(columns, lines, lambda reply: self.process.send(reply))
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.close(force=True)

    def read(self, seconds: float = 0.05) -> bool:
        """Take in what was written meanwhile; False at the end."""
        try:
            data = self.process.read_nonblocking(65_536, timeout=seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self.stream.feed(data)
        return True

    def text(self) -> str:
        """All lines, also those that have left the screen at its top."""
        gone = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        return "\n".join(line.rstrip() for line in [*gone, *self.screen.display])

    def words(self) -> str:
        """``text`` on one line."""
        return " ".join(self.text().split())

    def wait(self, pattern: str, seconds: float = PATIENCE) -> str:
        """Wait until ``pattern`` stands on the screen, or did; returns all lines."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text()):
            assert time.monotonic() < end, f"no {pattern!r} in:\n{self.text()}"
            if not self.read():
                assert re.search(pattern, self.text()), f"ended without {pattern!r}:\n{self.text()}"
        return self.text()

    def ready(self) -> None:
        """Wait for the prompt of a chat, with nothing typed."""
        end = time.monotonic() + PATIENCE
        while self.screen.display[self.screen.cursor.y].rstrip() != "titans>":
            assert time.monotonic() < end and self.read(), f"no prompt in:\n{self.text()}"

    def settle(self, seconds: float = 0.3) -> None:
        """Read until nothing more comes for a while."""
        length = -1
        while length != len(self.raw):
            length = len(self.raw)
            self.read(seconds)

    def type(self, keys: str) -> None:
        self.process.send(keys)

    def enter(self, line: str) -> str:
        """Type ``line`` and Enter in a chat, and wait for the next prompt; returns what stands between the two, on one line."""
        self.type(line)
        return self.press("\r")

    def press(self, keys: str) -> str:
        """Type what sends the line that was typed, and wait for the next prompt; returns what was sent and what was printed."""
        prompts = self.raw.count(PROMPTED)
        self.type(keys)
        end = time.monotonic() + PATIENCE
        while self.raw.count(PROMPTED) == prompts:
            assert time.monotonic() < end and self.read(), f"no prompt in:\n{self.text()}"
        self.ready()
        above = self.text().splitlines()[: len(self.screen.history.top) + self.screen.cursor.y]
        return " ".join("\n".join(above).rpartition("titans> ")[2].split())

    def leave(self) -> int:
        """Ctrl-D; returns the exit code."""
        self.type("\x04")
        return self.end()

    def interrupt(self) -> None:
        self.process.kill(signal.SIGINT)

    def end(self) -> int:
        """Wait for the end; returns the exit code."""
        end = time.monotonic() + PATIENCE
        while self.read():
            assert time.monotonic() < end, f"does not end:\n{self.text()}"
        self.process.close()
        assert self.process.exitstatus is not None, f"killed by signal {self.process.signalstatus}:\n{self.text()}"
        return self.process.exitstatus
