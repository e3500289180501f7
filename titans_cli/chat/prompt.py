"""The input line of ``titans chat``: editing, history, completion, and the toolbar below it."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.utils import is_dumb_terminal

from titans_cli.encoding import showable
from titans_cli.output import no_color, words

__all__ = ["Prompt", "Toolbar"]

PROMPT = "titans> "


@dataclass(frozen=True)
class Toolbar:
    """The items below the input line. On a narrow terminal only the first ones are shown."""

    items: Sequence[str]

    def fitted(self, width: int) -> str:
        """As many items as fit into ``width`` characters."""
        line = ""
        for item in self.items:
            longer = f"{line} · {item}" if line else item
            if len(longer) > width:
                break
            line = longer
        return line or words(self.items[0])[:width] if self.items else ""


class Completions(Completer):
    """Completes commands and their arguments: files, documents, conversations.

    Unlike NestedCompleter it accepts names with blanks, matches inside names, and shows the help of each command.
    """

    def __init__(self, commands: Mapping[str, str], names: Callable[[str], Iterable[str]]):
        self.commands = commands
        self.names = names
        self.paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        text = document.text_before_cursor
        command, blank, rest = text.partition(" ")
        if not text.startswith("/") or "\n" in text:
            return
        if not blank:
            for name, help in self.commands.items():
                if name.startswith(command):
                    yield Completion(name, -len(command), display_meta=showable(help))
        elif command == "/ingest":
            yield from self.paths.get_completions(Document(rest), complete_event)
        else:
            for name in self.names(command):
                if rest.lower() in name.lower() and name.isprintable():
                    yield Completion(name, -len(rest))


class Prompt:
    """Reads lines, with editing on a terminal, without on a dumb terminal or from a pipe."""

    def __init__(
        self,
        commands: Mapping[str, str],
        names: Callable[[str], Iterable[str]],
        toolbar: Callable[[], Toolbar],
        earlier: Sequence[str],
        vi: bool = False,
    ):
        self.toolbar = toolbar
        self.session: PromptSession[str] | None = None
        if sys.stdin.isatty() and not is_dumb_terminal():
            self.session = PromptSession(
                multiline=True,
                history=InMemoryHistory(list(earlier)),
                completer=Completions(commands, names),
                complete_in_thread=True,
                enable_open_in_editor=True,
                enable_suspend=True,
                editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
                key_bindings=bindings(),
                prompt_continuation=lambda width, line, wrapped: " " * width,
                bottom_toolbar=self.below,
                color_depth=ColorDepth.DEPTH_1_BIT if no_color() else None,
            )

    def read(self) -> str:
        """The next line, or lines. Raises EOFError at the end of input, KeyboardInterrupt on Ctrl-C."""
        if self.session is not None:
            return self.session.prompt(PROMPT)
        if sys.stdin.isatty():
            return input(PROMPT)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line

    def redraw(self) -> None:
        """Redraw the toolbar; can be called from any thread."""
        if self.session is not None:
            self.session.app.invalidate()

    def below(self) -> str:
        """The toolbar's text."""
        assert self.session is not None
        width = self.session.app.output.get_size().columns
        *first, last = self.toolbar().items
        mode = ("vi",) if self.session.app.editing_mode == EditingMode.VI else ()
        return showable(Toolbar((*first, *mode, last)).fitted(width))


def bindings() -> KeyBindings:
    """Enter sends, Alt-Enter starts a new line, F4 switches between the keys of emacs and vi."""
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("f4")
    def change(event: KeyPressEvent) -> None:
        event.app.editing_mode = EditingMode.EMACS if event.app.editing_mode == EditingMode.VI else EditingMode.VI

    return keys
