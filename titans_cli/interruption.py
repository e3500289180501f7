"""Handles Ctrl-C and exit while native code, such as torch's, is running."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    """End the process here if a thread is in ``native_work`` or torch is loaded; else return, and the interpreter ends it.

    C++ aborts if a thread in it is ended with the interpreter, and taking down an interpreter with torch in it takes a third of a second,
    in which Ctrl-C would still print a traceback. What was registered with ``atexit`` runs, unless a thread is in native code.
    """
    if not at_work:
        if "torch" not in sys.modules:
            return
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a pipe that nobody reads, a closed stream
            stream.flush()
    os._exit(code)
