"""Runs work on all cores with results in order, and limits the memory that glibc keeps for threads."""

import ctypes
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

__all__ = ["in_order", "parallel", "release_memory"]

AHEAD = 2
"""Items that wait, for each thread: bounds what is held in memory."""
MOST_THREADS = 4
"""Items worked on at the same time; a group of segments that is written takes about 150 MB."""
ARENAS = -8
"""glibc's M_ARENA_MAX."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def parallel(device: torch.device) -> Iterator[int]:
    """Yield the number of threads to work in. On a CPU each thread gets a core, so that none waits for parts of another's product."""
    before = torch.get_num_threads()
    threads = min(before, MOST_THREADS) if device.type == "cpu" else 1
    limit_arenas(threads)
    torch.set_num_threads(max(1, before // threads))
    try:
        yield threads
    finally:
        torch.set_num_threads(before)


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Apply ``work`` to ``items`` in several threads; results are in the items' order. At most ``AHEAD`` items per thread wait."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, "memorizer") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def limit_arenas(threads: int) -> None:
    """Limit the number of glibc's arenas, because each keeps the most memory that any of its documents took."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(ARENAS, threads)


def release_memory() -> None:
    """Return freed memory to the system: with documents of all sizes, glibc's heap would grow by about a third in a long ingest."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)  # other C libraries have none
