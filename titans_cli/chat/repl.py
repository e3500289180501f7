"""``titans chat``: answers each line from memory; lines that begin with / are commands."""

import difflib
import shlex
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from titans_cli import output
from titans_cli.chat.background import Background
from titans_cli.chat.prompt import Prompt, Toolbar
from titans_cli.errors import TitansError, UsageError, translate
from titans_cli.interruption import noticing_interrupts
from titans_cli.services import history, snapshots
from titans_cli.services.ask.conversation import Conversation
from titans_cli.services.ingest.request import Request
from titans_cli.services.llm.client import LlmClient
from titans_cli.services.llm.write import write_answer
from titans_cli.services.maintenance import forget
from titans_cli.services.recite import recite_on
from titans_cli.services.status import status
from titans_cli.session import Session

__all__ = ["Repl"]

AROUND = 2
"""Sentences that /sources recites on both sides of the evidence."""
RECALLED = 500
"""Earlier questions that the arrow keys recall."""
LEAVE = {"exit", "quit", "/exit"}
FILES = {".md", ".txt"}


@dataclass(frozen=True)
class Command:
    usage: str
    help: str
    run: Callable[[str], None]


class Repl:
    """Reads lines until /quit or the end of input. ``vi``: use vi's keys. ``client``: its language model writes the answers."""

    def __init__(self, home: Path, vi: bool = False, client: LlmClient | None = None, device: str | None = None):
        self.home = home
        self.client = client
        self.session = Session(home, device)
        self.background = Background(self.session, lambda: self.prompt.redraw())
        self.facts = self.background.facts()  # as of the last line; the toolbar is drawn at every key
        self.conversation = Conversation(self.session, new_name())
        self.commands = {
            "/help": Command("", "list the commands", self.help),
            "/sources": Command("", "show the last answer's evidence with the sentences around it", self.sources),
            "/why": Command("", "show which memories were retrieved for the last question", self.why),
            "/copy": Command("", "copy the last answer to the clipboard", self.copy),
            "/recite": Command("WORDS", "recite from memory the text that follows these words", self.recite),
            "/docs": Command("[PART]", "list the memorized documents", self.docs),
            "/ingest": Command("PATH …", "memorize files and folders", self.ingest),
            "/remember": Command("TEXT", "save a short note, filed under the current date and time", self.remember),
            "/forget": Command("NAME", "forget a document", self.forget),
            "/snapshot": Command("[NAME]", "create a snapshot with this name, or list all snapshots", self.snapshot),
            "/undo": Command("", "undo the last change of the memory", self.undo),
            "/save": Command("NAME", "name this conversation, or write it to FILE.md", self.save),
            "/load": Command("[NAME]", "continue an earlier conversation, or the last one", self.load),
            "/new": Command("", "start a new conversation", self.new),
            "/quit": Command("", "leave (also Ctrl-D)", self.leave),
        }
        self.prompt = Prompt(
            {name: f"{command.usage} {command.help}".strip() for name, command in self.commands.items()},
            self.names,
            self.toolbar,
            self.questions(),
            vi,
        )

    def run(self) -> None:
        """Answer until the user leaves. Raises TitansError if the store cannot be used."""
        self.greet()
        self.background.start()
        while True:
            try:
                self.facts = self.background.facts()
                self.respond(self.prompt.read().strip())
            except KeyboardInterrupt:
                continue
            except EOFError:
                return

    def greet(self) -> None:
        if self.facts is None:
            output.print_note("Nothing is memorized yet. Start with /ingest FOLDER or /remember TEXT. /help for help, Ctrl-D to leave.")
        else:
            output.print_note(f"{output.counted(self.facts.documents, 'document')} in memory. /help for help, Ctrl-D to leave.")

    def respond(self, line: str) -> None:
        """Run one line. Errors and Ctrl-C end the line, not the chat."""
        with noticing_interrupts() as pressed:
            try:
                self.obey(line)
            except KeyboardInterrupt:
                output.print_note("Stopped.")
            except EOFError:
                raise
            except Exception as error:
                told = translate(error)
                if told is None and pressed.is_set():
                    output.print_note("Stopped.")
                else:
                    output.print_error(str(told) if told else f"Unexpected error: {error!r}. Please report it.")

    def obey(self, line: str) -> None:
        """Run one line. Raises EOFError to leave."""
        if line.lower() in LEAVE:
            raise EOFError
        if line.startswith("/"):
            name, *rest = line.split(None, 1)
            self.command(name.lower()).run("".join(rest))
        elif line:
            self.ask(" ".join(line.split()))

    def command(self, name: str) -> Command:
        """The command with that name, or the only one that starts with it. Raises UsageError."""
        if name in self.commands:
            return self.commands[name]
        begun = [known for known in self.commands if known.startswith(name)] if len(name) > 1 else []
        if len(begun) == 1:
            return self.commands[begun[0]]
        near = begun or difflib.get_close_matches(name, self.commands, 2)
        hint = f"Did you mean {' or '.join(near)}?" if near else "See all commands: /help"
        raise UsageError(f"Unknown command {name}. {hint}")

    # questions

    def ask(self, question: str) -> None:
        with output.working("Answering"):
            self.background.wait()
            asked = self.conversation.ask(question, quotes=self.client is not None)
        answer = asked.answer
        if answer.question != question:
            output.print_note(f"Understood as: {answer.question}")
        if self.client is None:
            output.print_answer(answer)
        else:
            with output.AnswerStream() as screen:
                written = write_answer(self.client, answer, asked.quotes, screen)
            output.print_written(written)
        output.print_note("See what was retrieved: /why\n" if answer.refused else "")
        self.conversation.shown(asked)

    def sources(self, rest: str) -> None:
        answer = self.conversation.answered().answer
        if not (answer.evidence or answer.closest):
            raise UsageError("The last question was not answered. See what was retrieved: /why")
        answer = self.conversation.with_context(int(rest) if rest.isdigit() else AROUND)
        output.print_evidence(answer.evidence or answer.closest)

    def why(self, rest: str) -> None:
        output.print_why(self.conversation.answered().answer)

    def copy(self, rest: str) -> None:
        answer = self.conversation.answered().answer.line
        if answer is None:
            raise UsageError("The last question was not answered.")
        output.copy_text(answer)

    def recite(self, rest: str) -> None:
        with output.working("Reciting"):
            self.background.wait()
            continuation = self.session.read(lambda assistant: recite_on(assistant.retriever, rest))
        output.print_continuation(continuation)

    # the memory

    def docs(self, rest: str) -> None:
        output.print_documents(status(self.home), rest)

    def ingest(self, rest: str) -> None:
        from titans_cli.services.ingest.run import ingest as run

        if not rest:
            raise UsageError("Name the files or folders to memorize: /ingest FOLDER")
        with output.working("Loading the model"):
            self.background.wait()
        with self.session.exclusive(), output.IngestBar() as bar:
            result = run(self.home, self.session.models, paths_in(rest), bar, Request())
        output.print_ingest(result)

    def remember(self, rest: str) -> None:
        from titans_cli.services.ingest.remember import remember

        with output.working("Memorizing"):
            self.background.wait()
            with self.session.exclusive():
                result = remember(self.home, self.session.models, rest)
        output.print_note(f"Memorized as {result.document.name}. To undo: /undo")

    def forget(self, rest: str) -> None:
        if not rest:
            raise UsageError("Name a document to forget: /forget NAME")
        with self.session.exclusive():
            result = forget(self.home, [rest])
        output.print_forgotten(result)

    def snapshot(self, rest: str) -> None:
        if rest:
            with self.session.exclusive():
                made = snapshots.create_snapshot(self.home, rest)
            output.print_created(made)
        else:
            output.print_snapshots(snapshots.list_snapshots(self.home))

    def undo(self, rest: str) -> None:
        with self.session.exclusive():
            restored, before = snapshots.undo(self.home)
        output.print_undone(restored, before)

    # the conversation

    def save(self, rest: str) -> None:
        if not rest:
            raise UsageError("Give a name for the conversation, or a file to write it to: /save trip  or  /save trip.md")
        if not self.conversation.earlier:
            raise UsageError("Nothing was asked yet.")
        path = Path(rest).expanduser()
        if path.suffix.lower() in FILES:
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(output.transcript(self.conversation.earlier))
            except FileExistsError as error:
                raise UsageError(f"{path} already exists. Choose another name.") from error
            output.say(f"Wrote {path}")
        else:
            self.conversation.rename(rest)
            output.say(f"Saved this conversation as {rest}. Continue it later: /load {rest}")

    def load(self, rest: str) -> None:
        self.conversation.load(rest or None)
        earlier = self.conversation.earlier
        for answer in earlier[-3:]:
            output.print_turn(answer)
        output.print_note(f"Continuing {self.conversation.name} ({output.counted(len(earlier), 'question')}).")

    def new(self, rest: str) -> None:
        self.conversation.begin(new_name())
        output.print_note("Started a new conversation.")

    def help(self, rest: str) -> None:
        output.print_help((f"{name} {command.usage}".strip(), command.help) for name, command in self.commands.items())

    def leave(self, rest: str) -> None:
        raise EOFError

    # for the prompt

    def names(self, command: str) -> Iterable[str]:
        """Completions for a command's argument; none after an error."""
        with suppress(TitansError, OSError):
            if command in ("/forget", "/docs"):
                return self.background.documents()
            if command == "/load":
                return history.names(self.home)
        return []

    def questions(self) -> list[str]:
        """Earlier questions, for the arrow keys."""
        try:
            return [turn.question for turn in history.look(self.home, last=RECALLED).turns]
        except TitansError:
            return []

    def toolbar(self) -> Toolbar:
        facts = self.facts
        if facts is None:
            return Toolbar(("nothing memorized",))
        counts = output.counted(facts.documents, "document"), output.counted(facts.tokens, "token")
        return Toolbar((output.words(facts.name), *counts, self.background.device, output.words(str(self.home))))


def new_name() -> str:
    """The name of a conversation until the user gives it one."""
    return f"{datetime.now():%Y-%m-%d %H:%M:%S}"


def paths_in(rest: str) -> list[Path]:
    """The paths in a line: the whole line if such a file exists, else words with shell quoting. Raises UsageError."""
    if Path(rest).expanduser().exists():
        return [Path(rest)]
    try:
        return [Path(word) for word in shlex.split(rest)]
    except ValueError as error:
        raise UsageError(f"Unbalanced quotation marks ({error}).") from error
