"""``titans chat``: a question a line, answered from memory."""

from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from titans_cli.errors import TitansError
from titans_cli.render import print_answer, print_error, print_note, print_sources
from titans_cli.usecases.ask import Answer, Assistant
from titans_cli.usecases.follow_up import ask_in_conversation
from titans_cli.usecases.status import status

__all__ = ["Repl"]

HELP = """Type a question and press Enter.
Questions may speak of what was said before: "When was it founded?"
/sources  what is memorized
/help     this text
/quit     leave (also Ctrl-D)
Ctrl-C stops an answer; the arrow keys bring back earlier questions."""


class Repl:
    """Reads lines until /quit or the end of input."""

    def __init__(self, home: Path, assistant: Assistant):
        self.home = home
        self.assistant = assistant
        self.earlier: list[Answer] = []

    def run(self) -> None:
        """Answer until the user leaves."""
        session: PromptSession[str] = PromptSession(
            history=self.history(), completer=WordCompleter(["/help", "/sources", "/quit"], sentence=True)
        )
        print_note(f"{len(self.assistant.documents)} documents in memory. /help for help, Ctrl-D to leave.")
        while True:
            try:
                line = session.prompt("titans> ").strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if line == "/quit":
                return
            if line:
                self.respond(line)

    def history(self) -> History:
        """Earlier questions, kept in the store's folder where that can be written."""
        try:
            path = self.home / "questions.txt"
            path.touch(mode=0o600)
            return FileHistory(str(path))
        except OSError:
            return InMemoryHistory()

    def respond(self, line: str) -> None:
        try:
            if line == "/help":
                print_note(HELP)
            elif line == "/sources":
                print_sources(status(self.home))
            elif line.startswith("/"):
                print_error(f"There is no {line.split()[0]}. /help shows what there is.")
            else:
                answer = ask_in_conversation(self.assistant, line, self.earlier)
                if answer.question != line:
                    print_note(f"Understood as: {answer.question}")
                print_answer(answer)
                self.earlier.append(answer)
        except KeyboardInterrupt:
            print_note("Stopped.")
        except TitansError as error:
            print_error(str(error))
