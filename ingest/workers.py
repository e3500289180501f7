"""Extracts text in worker processes, so that a file that hangs, crashes or uses too much memory loses only pages, not the ingest."""

import hashlib
import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import TracebackType

from ingest.errors import SourceError
from ingest.formats import assemble, read_pages
from ingest.sources import read_bytes
from ingest.types import Document, FailedPage, Found, Limits, Options, Page, Source, Start

__all__ = ["Extractor", "Reader"]

Reader = Callable[[Source, bytes, Options, Start], Iterator[Found]]
"""Like ``formats.read_pages``."""

AHEAD = 2
"""Documents that wait for the ingest, for each worker."""
MOST_KILLS = 5
"""Kills after which a file is given up."""
FALLBACK = "pypdfium2"
"""The engine that is used after a page killed a worker."""
STARTING_SECONDS = 60.0
"""Seconds in which a worker must start."""


class HungError(Exception):
    """A worker exceeded its time limit, or ended."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Worker:
    """A process that reads one file at a time and sends what it finds. Started on first use, and again after a kill."""

    def __init__(self, limits: Limits, read: Reader):
        self.limits, self.read = limits, read
        self.process: multiprocessing.process.BaseProcess | None = None

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, self.limits, self.read), daemon=True)
        self.process.start()
        other.close()
        self.receive(STARTING_SECONDS)

    def begin(self, source: Source, options: Options, start: Start) -> None:
        """Make the worker read ``source`` from ``start`` on. Raises HungError."""
        if self.process is None:
            self.start()
        try:
            self.pipe.send((source, options, start))
        except OSError as error:
            raise HungError("the reader crashed") from error

    def receive(self, seconds: float) -> object:
        """The next message. Raises HungError."""
        try:
            if not self.pipe.poll(max(0.0, seconds)):
                raise HungError("it took too long")
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            raise HungError("the reader crashed") from error

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process.close()
            self.pipe.close()
            self.process = None


class Extractor:
    """Extracts documents in ``workers`` processes. A context manager, which ends all processes on exit."""

    def __init__(self, options: Options = Options(), workers: int = 1, read: Reader = read_pages):  # noqa: B008 (immutable)
        self.options = options
        self.workers = [Worker(options.limits, read) for _ in range(workers)]
        self.idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in self.workers:
            self.idle.put(worker)
        self.pool = ThreadPoolExecutor(workers, "extractor")
        self.closing = False

    def __enter__(self) -> "Extractor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.closing = True
        for worker in self.workers:
            if worker.process is not None and worker.process.pid is not None:
                worker.process.kill()  # the thread that waits for it sees the end of the pipe
        self.pool.shutdown(wait=True, cancel_futures=True)
        for worker in self.workers:
            worker.kill()

    def start(self) -> None:
        """Start the workers in the background. Otherwise they start on first use."""
        for _ in self.workers:
            self.pool.submit(self.start_one)

    def start_one(self) -> None:
        worker = self.idle.get()
        try:
            if worker.process is None and not self.closing:
                worker.start()
        except HungError:
            worker.kill()
        finally:
            self.idle.put(worker)

    def documents(self, sources: Iterable[Source]) -> Iterator[Document | SourceError]:
        """Yield the documents of ``sources`` in order, with a SourceError for each that cannot be read."""
        waiting: deque[Future[Document | SourceError]] = deque()
        for source in sources:
            waiting.append(self.pool.submit(self.extract, source))
            if len(waiting) > AHEAD * len(self.workers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def extract(self, source: Source) -> Document | SourceError:
        worker = self.idle.get()
        try:
            if self.closing:
                raise SourceError(source.path, "was not read.")
            return self.extract_with(worker, source)
        except SourceError as error:
            return error
        finally:
            self.idle.put(worker)

    def extract_with(self, worker: Worker, source: Source) -> Document:
        """Read a source. After a kill, try the same page with another engine, then continue with the next page."""
        limits = self.options.limits
        deadline = time.monotonic() + limits.file_seconds
        found: list[Found] = []
        kills, start = 0, Start()
        while True:
            try:
                worker.begin(source, self.options, start)
                while True:
                    left = deadline - time.monotonic()
                    message = worker.receive(min(limits.page_seconds, left))
                    if isinstance(message, SourceError):
                        raise message
                    if isinstance(message, Finished):
                        return assemble(source, message.sha256, message.size, found)
                    if isinstance(message, Found):
                        found.append(message)
                        start = behind(start, message)
            except HungError as hung:
                worker.kill()
                if self.closing:
                    raise SourceError(source.path, "was not read to the end.") from hung
                kills += 1
                timeout = hung.reason == "it took too long"
                over = time.monotonic() >= deadline or kills >= MOST_KILLS
                pages = any(isinstance(item, Page) for item in found)
                paged = source.path.suffix.lower() == ".pdf" or start.page > 1
                if over and pages:
                    found.append(FailedPage(start.page, f"{hung.reason}; this page and all later ones were skipped"))
                    data = read_bytes(source)
                    return assemble(source, hashlib.sha256(data).hexdigest(), len(data), found)
                if over or not paged:
                    raise SourceError(source.path, f"was skipped: {hung.reason}.", "timeout" if timeout else "corrupt") from hung
                if start.engine is None and self.options.pdf_engine is None:
                    start = replace(start, engine=FALLBACK)
                else:
                    found.append(FailedPage(start.page, hung.reason))
                    start = behind(start, found[-1])


def behind(start: Start, found: Found) -> Start:
    """The place to continue from after ``found``."""
    if isinstance(found, Page):
        start = replace(start, characters=start.characters + len(found.text))
    if isinstance(found, Page | FailedPage) and found.number is not None:
        start = replace(start, page=found.number + 1)
    return start


class Finished:
    """Says that the worker has sent the whole file."""

    def __init__(self, data: bytes):
        self.sha256, self.size = hashlib.sha256(data).hexdigest(), len(data)


def serve(pipe: Connection, limits: Limits, read: Reader) -> None:
    """The main loop of a worker. Ends when the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the ingest's to handle
    limit_memory(limits.memory)
    try:
        pipe.send(None)
        while True:
            source, options, start = pipe.recv()
            try:
                data = read_bytes(source)
                for found in read(source, data, options, start):
                    watch_over(2 * limits.page_seconds)
                    pipe.send(found)
                pipe.send(Finished(data))
            except SourceError as error:
                pipe.send(error)
            except MemoryError:
                pipe.send(SourceError(source.path, "needs more memory than the limit allows.", "limit"))
            watch_over(0)
    except (EOFError, OSError):
        pass


def watch_over(seconds: float) -> None:
    """End this process after ``seconds`` unless called again, in case its parent was killed. 0 stops the timer."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def limit_memory(more: int) -> None:
    """Limit the address space to ``more`` bytes beyond its current size, where the system supports it."""
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + more, now + more))
