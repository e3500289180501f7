"""Handles Ctrl-C and exit while native code, such as torch's, is running."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["leave", "native_work", "noticing_interrupts"]

at_work: set[object] = set()
"""Threads, by a token each, that are in native code which must not be ended with the interpreter."""


@contextmanager
def noticing_interrupts() -> Iterator[threading.Event]:
    """Yield an event that is set when Ctrl-C is pressed, because native code may turn KeyboardInterrupt into another error."""
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):  # not ours, or not to be heeded
        yield pressed
        return

    def press(number: int, frame: FrameType | None) -> None:
        pressed.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def native_work() -> Iterator[None]:
    """Mark a daemon thread as running native code: C++ aborts the process if the interpreter ends such a thread."""
    token = object()
    at_work.add(token)
    try:
        yield
    finally:
        at_work.discard(token)


def leave(code: int) -> None:
    """End the process at once if a thread is in ``native_work``; else return, and the interpreter ends it."""
    if at_work:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
