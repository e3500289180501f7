"""The progress bar of commands that memorize, on stderr: file, page, tokens/s and time left."""

import time

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from titans_cli.output.terminal import counted, err, mode, say, where

__all__ = ["IngestBar"]


class IngestBar:
    """Shown on a terminal, not with --quiet. With --verbose, also prints the name of each memorized document."""

    def __init__(self) -> None:
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]} tokens/s", markup=False),
            TimeRemainingColumn(),
            console=err,
            transient=True,
            disable=mode.quiet or not err.is_terminal,
        )
        self.tokens = 0
        self.finished = 0
        self.size = 0
        self.name = ""
        self.begun = time.monotonic()

    def __enter__(self) -> "IngestBar":
        self.bar.start()
        self.task = self.bar.add_task("reading", total=None, speed="–")
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def begin(self, files: int, size: int) -> None:
        self.bar.update(self.task, total=max(1, size), description=counted(files, "file"))

    def file(self, name: str, pages: int | None, size: int) -> None:
        self.name, self.pages, self.size = where(name), pages, size
        self.bar.update(self.task, description=self.shown())

    def page(self, number: int | None, tokens: int, share: float) -> None:
        self.tokens += tokens
        page = f"  page {number} of {self.pages}" if number is not None else ""
        speed = f"{self.tokens / (time.monotonic() - self.begun):,.0f}"
        self.bar.update(self.task, description=self.shown() + page, speed=speed, completed=self.finished + share * self.size)

    def shown(self) -> str:
        """The file's name, or only its end if the terminal is narrow."""
        room = max(12, err.width // 3)
        return self.name if len(self.name) <= room else "…" + self.name[1 - room :]

    def done(self, size: int) -> None:
        self.finished += size
        if mode.verbose and self.name:
            say(self.name)
        self.name = ""
        self.bar.update(self.task, completed=self.finished)
