"""What a person sees of an answer: evidence with the answer marked, what stands around it, what was retrieved, how sure it is."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from titans_cli import output
from titans_cli.models import Models
from titans_cli.output import terminal
from titans_cli.output.views import ask as answers
from titans_cli.output.views.ask import sureness
from titans_cli.services.ask.answer import Assistant
from titans_cli.services.ask.context import with_context
from titans_cli.services.ask.results import Evidence, merge_evidence
from titans_cli.services.ask.retrieve import Retriever

GRAPES = "What did the Fox say about the grapes?"
AUTHOR = "Who is the author of bzip2?"


@pytest.fixture
def screen(monkeypatch):
    """What is printed when stdout is a terminal with colours."""
    console = Console(force_terminal=True, width=80, color_system="truecolor", record=True, highlight=False, markup=False, emoji=False)
    monkeypatch.setattr(terminal, "mode", terminal.Mode())
    monkeypatch.setattr(answers, "mode", terminal.mode)
    monkeypatch.setattr(terminal, "out", console)
    monkeypatch.setattr(answers, "out", console)
    return console


@pytest.fixture(scope="module")
def assistant(memorized):
    return Assistant(memorized.home, Models())


@pytest.fixture(scope="module")
def answer(assistant):
    return assistant.ask("How many years ago did our fathers bring forth a new nation?")


def test_the_answer_is_marked_where_it_stands_in_the_evidence(answer):
    (evidence,) = answer.evidence
    assert [evidence.text[start:end] for start, end in evidence.spans] == [answer.answer]
    assert evidence.source.path.endswith("gettysburg-address.txt")


def test_evidence_that_holds_several_answers_is_shown_once_with_all_of_them():
    found = [Evidence("a b c", "x", 1, True, score, spans=(span,)) for score, span in ((0.1, (4, 5)), (0.3, (0, 1)))]
    assert merge_evidence([*found, Evidence("d", "x", 1, True, 0.1)]) == (
        Evidence("a b c", "x", 1, True, 0.3, spans=((0, 1), (4, 5))),
        Evidence("d", "x", 1, True, 0.1),
    )


def test_context_is_what_stands_around_the_evidence_in_its_document(assistant, answer, memorized):
    text = " ".join((Path(output.__file__).parents[1] / "samples" / "gettysburg-address.txt").read_text().split())
    (plain,) = answer.evidence
    for count in (1, 3, 100):
        (evidence,) = with_context(assistant.retriever, answer, count).evidence
        around = f"{evidence.context.before} {evidence.text} {evidence.context.after}".split()
        assert " ".join(around) in text
        assert evidence.context.verbatim and len(around) > len(plain.text.split())
    assert " ".join(around).startswith(text[:40]) and " ".join(around).endswith(text[-40:])  # a hundred: all of the document, no other
    assert with_context(assistant.retriever, answer, 0) == answer


def test_what_was_retrieved_is_told_with_its_strength(answer):
    assert [s.strength for s in answer.retrieved] == sorted((s.strength for s in answer.retrieved), reverse=True)
    used = [s for s in answer.retrieved if s.used]
    assert used and all(s.text in " ".join(answer.evidence[0].text.split()) for s in used)
    assert not answer.retrieved[0].associated


@pytest.mark.parametrize(
    ("confidence", "told"),
    [
        (0.97, "almost certain: about 9 in 10"),
        (0.72, "likely right: about 7 in 10"),
        (0.5, "rather right"),
        (0.21, "a guess: about 2 in 10"),
    ],
)
def test_a_confidence_means_how_many_of_ten_are_right(confidence, told):
    assert sureness(confidence).startswith(told)


def test_on_a_terminal_the_answer_stands_out(screen, answer):
    output.print_answer(answer)
    styled = screen.export_text(styles=True, clear=False)
    text = screen.export_text()
    assert text.startswith(answer.answer)
    assert (
        "\x1b[1;3;4mFour score and seven\x1b[0m" in styled or "\x1b[1;4mFour score and seven\x1b[0m" in styled
    )  # bold and underlined in the evidence
    assert "**" not in text and "recited word for word" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_off_the_terminal_the_answer_is_marked_and_lines_are_whole(memorized):
    text = memorized("ask", "How many years ago did our fathers bring forth a new nation?").stdout
    assert text.startswith("Four score and seven\n") and "**Four score and seven** years" in text and "\x1b" not in text
    assert any(line.endswith("are created equal.”") and "Four score" in line for line in text.splitlines())


def test_quiet_prints_the_answer_alone(memorized):
    assert memorized("ask", "-q", "How many years ago did our fathers bring forth a new nation?").stdout == "Four score and seven\n"


def test_why_and_context_are_in_the_json_where_they_are_asked_for(memorized):
    told = json.loads(memorized("ask", "--json", "--why", "--context", "1", AUTHOR).stdout)
    assert list(told["woken"][0]) == ["text", "document", "page", "verbatim", "strength", "associated", "used"]
    assert list(told["signs"]) == ["logit", "score", "lead", "fit", "here"]
    assert list(told["evidence"][0])[-2:] == ["before", "after"] and told["evidence"][0]["after"]


def test_a_question_about_nothing_in_memory_is_plainly_refused(memorized):
    result = memorized("ask", "Who won the world cup in 2014?")
    assert result.stdout == "Not in memory.\n"
    assert result.stderr == "See what was retrieved: --why. Allow less certain answers: --min-confidence 0.1\n"
    assert "What was retrieved" in memorized("ask", "--why", "Who won the world cup in 2014?").stdout
    assert memorized("ask", "--quiet", "Who won the world cup in 2014?").output == ""


def test_a_refusal_shows_the_closest_passages(memorized):
    result = memorized("ask", "--min-confidence", "1", AUTHOR)
    first, blank, place, passage, *_ = result.stdout.split("\n")
    assert (first, blank) == ("Not sure. Closest passages:", "") and place.startswith("1  docs/bzip2.pdf, page ")
    assert "Julian Seward" in passage and result.stdout.count("recited word for word") == 3
    assert memorized("ask", "--quiet", "--min-confidence", "1", AUTHOR).output == ""


def test_an_answer_can_be_copied_as_one_harmless_line(memorized, monkeypatch):
    pyperclip = pytest.importorskip("pyperclip")
    copied = []
    monkeypatch.setattr(pyperclip, "copy", copied.append)
    memorized("ask", "--copy", AUTHOR)
    assert copied == ["Julian Seward"]
    terminal.copy_text("rm -rf /\n\x1b[201~\x07yes")
    assert copied[-1] == "rm -rf / yes"


def test_without_a_clipboard_nothing_fails(memorized, monkeypatch):
    pyperclip = pytest.importorskip("pyperclip")

    def refuse(_: str) -> None:
        raise pyperclip.PyperclipException("none")

    monkeypatch.setattr(pyperclip, "copy", refuse)
    assert "no clipboard" in memorized("ask", "--copy", AUTHOR).stderr


@pytest.mark.parametrize("imported", [False, True])
def test_only_files_of_this_machine_are_links(screen, answer, tmp_path, imported):
    from dataclasses import replace

    file = tmp_path / "a b.pdf"
    file.write_bytes(b"x")
    (evidence,) = answer.evidence
    source = replace(evidence.source, path=str(file), imported=int(imported))
    output.print_answer(replace(answer, evidence=(replace(evidence, source=source, page=3),)))
    styled = screen.export_text(styles=True, clear=False)
    assert (f"{file.as_uri()}#page=3" in screen.export_html()) is not imported
    assert ("imported memory" in styled) is imported


def test_a_question_may_hold_bytes_that_are_no_text(memorized):
    memorized("ask", "caf\udce9 \ud800?")


def test_recitations_know_where_a_long_sentence_was_divided(titans, tmp_path):
    long = "The list of lamps goes on and on: " + ", ".join(f"lamp number {number}" for number in range(90)) + "."
    (tmp_path / "lamps.txt").write_text(f"A heading that stands alone.\n\n{long}\n\nA last sentence ends it.\n")
    titans("ingest", tmp_path / "lamps.txt")
    retriever = Retriever(titans.home, Models())
    runs = [retriever.recite({memory: 0.0})[0] for memory in range(retriever.index.memories)]
    assert len(runs) > 3 and "".join(run.text for run in runs).split() == (tmp_path / "lamps.txt").read_text().split()
    parts = [i for i, run in enumerate(runs) if "lamp number" in run.text]
    assert [run.cut[1] for run in runs] == [i in parts[:-1] for i in range(len(runs))]
    assert not runs[0].cut[0] and any(run.cut[0] for run in runs)
    assert all(run.text[0].isalnum() for run in runs if run.cut[0])
