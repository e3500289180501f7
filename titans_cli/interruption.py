"""Ctrl-C in the middle of C++, such as torch's: it may turn KeyboardInterrupt into errors of its own."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["noticing_interrupts"]


@contextmanager
def noticing_interrupts() -> Iterator[threading.Event]:
    """Gives what is set once Ctrl-C was pressed, so that an error that comes then is known for what it is."""
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
