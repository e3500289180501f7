"""What an answer is made of: spans, sentences, lists, yes and no, corrections, closest passages. The reader is a fake one."""

import time
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from model import Hit
from model.bert import wordpieces
from model.reader.reader import Scores
from titans_cli import output
from titans_cli.output import json_output, terminal
from titans_cli.services.ask import answer as answering
from titans_cli.services.ask.answer import Assistant
from titans_cli.services.ask.passages import ABSENT
from titans_cli.services.ask.phrasing import items_of
from titans_cli.services.ask.question import Wanted, wanted_by
from titans_cli.services.ask.results import Answer
from titans_cli.services.ask.retrieve import Recitation, Retrieval, Sentence
from titans_cli.services.llm.quotes import gather_quotes
from titans_cli.store import StoredDocument

SURE, GUESS, NO_ANSWER = 0.8, 0.4, 0.1


class FakeReader:
    """Finds given words, each with a score in logits above nothing."""

    tokenize = staticmethod(wordpieces)

    def __init__(self, words: dict[str, float], yes: float = -20.0, no: float = -20.0):
        self.words = {tuple(wordpieces([text])[0].ids): score for text, score in words.items()}
        self.special = torch.tensor([0.0, yes, no])

    def choose(self, question: object, windows: Sequence[object], count: int) -> list[int]:
        return list(range(len(windows)))[:1]

    def score(self, question: object, windows: Sequence[Sequence[Sequence[int]]]) -> list[Scores]:
        return [Scores([self.spans(piece) for piece in window], self.special) for window in windows]

    def spans(self, piece: Sequence[int]) -> torch.Tensor:
        scores = torch.full((len(piece), len(piece)), -30.0)
        for ids, score in self.words.items():
            for i in range(len(piece) - len(ids) + 1):
                if tuple(piece[i : i + len(ids)]) == ids:
                    scores[i, i + len(ids) - 1] = score
        return scores


def recited(
    place: int, *sentences: str, document: str = "a.txt", page: int | None = None, cut: tuple[bool, bool] = (False, False)
) -> Recitation:
    """A recitation of one memory whose first sentence is number ``place`` in memory."""
    ends = np.cumsum([len(text) for text in sentences]).tolist()
    spans = tuple(Sentence(end - len(text), end, place) for text, end in zip(sentences, ends, strict=True))
    source = StoredDocument(f"/{document}", document, "0" * 64, 1, page, 1, 1, "0" * 64, "0" * 64, 1, 0)
    return Recitation(place, place, document, source, "".join(sentences), spans, {place: page}, {place: True}, 1.0, cut)


def ask(monkeypatch, question: str, reader: FakeReader, *runs: Recitation, fits: dict[int, float], sure: float = SURE) -> Answer:
    """The answer from ``runs``; ``fits`` of sentences by number, others fit with 0.1."""
    monkeypatch.setattr(answering, "confidence_of", lambda features, yes_no: sure)
    scores = np.full(100, 0.1, np.float32)
    scores[list(fits)] = list(fits.values())
    owner = {run.place + i: run.first for run in runs for i in range(len(run.sentences))}
    hits = tuple(Hit(number, owner[number], fit) for number, fit in sorted(fits.items(), key=lambda item: -item[1]))
    retrieval = Retrieval(tuple(runs), tuple(runs), hits, frozenset(), scores)
    assistant = Assistant.__new__(Assistant)
    assistant.models = SimpleNamespace(reader=reader)  # type: ignore[assignment]
    return assistant.read(question, retrieval, time.monotonic())


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("Is R case sensitive?", "yes_no"),
        ("is r case sensitive", "yes_no"),
        ("hey, can films be renewed at the library", "yes_no"),
        ("ok so does ferrysync need a server?", "yes_no"),
        ("Can you tell me whether films can be renewed?", "yes_no"),
        ("If I lose my card, must I pay for it?", "yes_no"),
        ("films renewable or not", "yes_no"),
        ("Isn't smoking allowed in the hall?", "yes_no"),
        ("Is the guarantee longer or shorter?", "choice"),
        ("Can you tell me who wrote bzip2?", ""),
        ("do you know when the shop opens", ""),
        ("When was it founded?", ""),
        ("may 2024 electricity", ""),
        ("Which button starts the cleaning?", ""),
        ("What is the default precision?", ""),
        ("What does error E27 mean?", ""),
        ("How many tools are there?", ""),
        ("How do I quit R?", "clause"),
        ("how to quit r", "clause"),
        ("Why were the radiators cold?", "clause"),
        ("What should I do if the network hangs?", "clause"),
        ("List the ingredients.", "several"),
        ("what ingredients do i need", "several"),
        ("Which tools has Marek borrowed?", "several"),
        ("Which two interfaces are supported?", "several"),
        ("What are the three deployment methods?", "several"),
        ("What are all the numbers?", "several"),
        ("What are static files?", ""),
        ("Where should I put it so that all users see it?", ""),
    ],
)
def test_the_words_of_a_question_tell_what_it_asks_for(question, kinds):
    assert [name for name in Wanted.__dataclass_fields__ if getattr(wanted_by(question), name)] == kinds.split()


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (
            "350 g wheat flour\n- 150 g rye flour\n- 1,200 ml water, warm\n",
            ["350 g wheat flour", "150 g rye flour", "1,200 ml water, warm"],
        ),
        ("1. Empty the tank.\n2. Press CALC.\n", ["Empty the tank", "Press CALC"]),
        ("• POSIX threads • Message passing interface (MPI)", ["POSIX threads", "Message passing interface (MPI)"]),
        ("English, German, French, and Dutch", ["English", "German", "French", "Dutch"]),
        ("bowline, figure eight and reef knot.", ["bowline", "figure eight", "reef knot"]),
        (
            "mean squared error (MSE, for short); cross entropy; and others",
            ["mean squared error (MSE, for short)", "cross entropy", "others"],
        ),
        ("Coolprop and Pint", ["Coolprop", "Pint"]),
        ("quit\nexit", ["quit", "exit"]),
        ("4,800 EUR", ["4,800 EUR"]),
        (", , and ,", []),
        ("the text of a long clause that is no list at all because it says how something is done, step by step", None),
    ],
)
def test_a_span_of_several_things_becomes_items(text, items):
    assert items_of(text) == ([text] if items is None else items)


def test_a_list_has_its_items_one_a_line_and_each_once(monkeypatch):
    run = recited(3, "Lent out.", " They are: Hammer drill and laser level.", " Also out: laser level, jigsaw.")
    reader = FakeReader({"Hammer drill and laser level": 8, "laser level, jigsaw": 7})
    answer = ask(monkeypatch, "Which tools are lent out?", reader, run, fits={4: 0.9, 5: 0.9})
    assert (answer.answer, answer.kind) == ("Hammer drill\nlaser level\njigsaw", "list")
    assert answer.line == "Hammer drill, laser level, jigsaw"
    one = ask(monkeypatch, "Which tool is lent out?", reader, run, fits={4: 0.9, 5: 0.9})
    assert (one.answer, one.kind) == ("Hammer drill and laser level", "span")


@pytest.mark.parametrize(
    ("question", "words", "answer", "kind"),
    [
        ("How do I quit R?", "q()", "To quit R, type q() at the prompt.", "sentence"),
        ("What quits R?", "q()", "q()", "span"),
        ("How do I quit R?", "type q() at the prompt", "type q() at the prompt", "span"),
        ("What do I do?", "To quit R, type q() at the prompt.", "To quit R, type q() at the prompt", "sentence"),
    ],
)
def test_few_words_that_tell_how_or_why_become_their_sentence(monkeypatch, question, words, answer, kind):
    run = recited(0, "R is free.", " To quit R, type q() at the prompt.", " It asks whether to save.")
    said = ask(monkeypatch, question, FakeReader({words: 9}), run, fits={1: 0.9})
    assert (said.answer, said.kind) == (answer, kind)
    assert said.evidence[0].text == "To quit R, type q() at the prompt."


def test_a_sentence_that_is_too_long_does_not_stand_for_its_words(monkeypatch):
    run = recited(0, "To quit R, type q()" + " or so" * 20 + ".")
    said = ask(monkeypatch, "How do I quit R?", FakeReader({"type q()": 9}), run, fits={0: 0.9})
    assert (said.answer, said.kind) == ("type q()", "span")


def test_yes_and_no_come_with_the_sentence_that_says_so(monkeypatch):
    run = recited(0, "Can films be renewed?", " No: films go back after a week.", " Books can be renewed.")
    reader = FakeReader({"films go back after a week": 1, "Books": 7}, no=6.0)
    said = ask(monkeypatch, "can films be renewed", reader, run, fits={0: 0.7, 1: 1.0, 2: 0.5})
    assert (said.answer, said.kind) == ("no", "yes_no")  # less likely than "Books", but it was asked for
    assert [evidence.text for evidence in said.evidence] == ["No: films go back after a week."]
    assert said.evidence[0].spans == ()


def test_yes_and_no_are_no_answer_to_other_questions(monkeypatch):
    run = recited(0, "Films go back after a week.")
    reader = FakeReader({"a week": 3}, yes=8.0)
    assert ask(monkeypatch, "When do films go back?", reader, run, fits={0: 1.0}).answer == "a week"
    assert ask(monkeypatch, "Is it a week or a month?", reader, run, fits={0: 1.0}).answer == "yes"
    assert ask(monkeypatch, "Do films go back?", FakeReader({"a week": 8}, yes=3.0), run, fits={0: 1.0}).answer == "a week"


@pytest.mark.parametrize(
    ("question", "first", "later", "words", "answer"),
    [
        (
            "When is the opening day of the workshop?",
            "The opening day is Saturday 26 April 2025.",
            "The opening day is postponed from 26 April to Saturday 17 May 2025.",
            "Saturday 26 April 2025",
            "Saturday 17 May 2025 (earlier: Saturday 26 April 2025)",
        ),
        (
            "At what time does the autumn concert begin?",
            "The autumn concert begins at 17:00.",
            "Correction: the autumn concert begins at 15:00 and not at 17:00.",
            "17:00",
            "15:00 (earlier: 17:00)",
        ),
        (
            "How many leaflets does Priya print?",
            "Priya prints 300 leaflets.",
            "With the new date Priya prints 450 leaflets instead of 300.",
            "300",
            "450 (earlier: 300)",
        ),
        (
            "When is the harbour fair?",
            "The harbour fair is moved from 26 April to 17 May 2025.",
            "The harbour fair is moved back from 17 May 2025 to 26 April.",
            "26 April",
            "26 April",
        ),
        (
            "When is the report due?",
            "The report is due on 3 June 2024.",
            "The report, due then, is moved from 3 June 2024 to 9 July.",
            "3 June 2024",
            "9 July (earlier: 3 June 2024)",
        ),
        ("When did the workshop open first?", "It opened on 26 April.", "It was moved from 26 April to 17 May.", "26 April", "26 April"),
        ("When is the opening day?", "The opening day is 26 April.", "The fair is moved from 26 April to 17 May.", "26 April", "26 April"),
        (
            "When is the opening day?",
            "The opening day is 26 April.",
            "The opening day is moved from 3 March to 17 May.",
            "26 April",
            "26 April",
        ),
    ],
)
def test_a_later_value_that_replaces_the_answer_is_given_with_the_earlier_one(monkeypatch, question, first, later, words, answer):
    runs = recited(0, first), recited(10, later, document="b.txt")
    said = ask(monkeypatch, question, FakeReader({words: 9}), *runs, fits={0: 0.9, 10: 0.8})
    assert said.answer == answer
    assert [evidence.document for evidence in said.evidence] == (["b.txt", "a.txt"] if "earlier" in answer else ["a.txt"])
    assert all(evidence.text[slice(*evidence.spans[0])] in answer for evidence in said.evidence)


NOTES = (
    recited(0, "Heating.", " The boiler stands in the cellar.", " Its pressure is 1.6 bar.", " The caretaker is Mrs Lund.", page=4),
    recited(10, "The boiler was made in 2004 by Halder.", " It is red.", document="b.txt"),
    recited(20, "The boiler was made in 2004 by Halder.", document="copy.txt"),
    recited(30, "Nothing about it.", document="c.txt"),
)
FITS = {1: 0.9, 10: 0.85, 20: 0.84, 30: 0.2}


def test_a_refusal_names_the_closest_passages_of_distinct_places(monkeypatch):
    said = ask(monkeypatch, "Where is the boiler?", FakeReader({"1.6 bar": 2}), *NOTES, fits=FITS, sure=NO_ANSWER)
    assert (said.answer, said.kind, said.evidence, said.headline) == (None, None, (), "Not sure. Closest passages:")
    assert [(passage.text, passage.document, passage.page) for passage in said.closest] == [
        ("The boiler stands in the cellar. Its pressure is 1.6 bar. The caretaker is Mrs Lund.", "a.txt", 4),
        ("The boiler was made in 2004 by Halder. It is red.", "b.txt", None),
        ("The boiler was made in 2004 by Halder.", "copy.txt", None),
    ]
    assert [passage.score for passage in said.closest] == [0.9, 0.85, 0.84]


def test_a_guess_has_other_passages_beside_its_evidence(monkeypatch):
    said = ask(monkeypatch, "Where is the boiler?", FakeReader({"in the cellar": 5}), *NOTES, fits=FITS, sure=GUESS)
    assert said.answer == "in the cellar" and [evidence.text for evidence in said.evidence] == ["The boiler stands in the cellar."]
    assert [passage.document for passage in said.closest] == ["b.txt", "copy.txt"]
    assert ask(monkeypatch, "Where is the boiler?", FakeReader({"in the cellar": 5}), *NOTES, fits=FITS, sure=SURE).closest == ()


def test_where_nothing_is_about_the_question_nothing_is_close(monkeypatch):
    fits = {number: min(fit, ABSENT - 0.01) for number, fit in FITS.items()}
    said = ask(monkeypatch, "Who won the cup?", FakeReader({"Halder": 2}), *NOTES, fits=fits, sure=NO_ANSWER)
    assert (said.closest, said.headline) == ((), "Not in memory.")


def test_a_long_passage_is_cut_between_lines_where_the_words_asked_for_stand(monkeypatch):
    table = "name,size\n" + "".join(f"lamp {number},{number} cm\n" for number in range(50)) + "boiler,1.6 bar\n" + "sink,small\n" * 90
    said = ask(monkeypatch, "How large is the boiler?", FakeReader({}), recited(0, table), fits={0: 0.9}, sure=NO_ANSWER)
    (passage,) = said.closest
    assert "\nboiler,1.6 bar\n" in passage.text and len(passage.text.strip("… ").split()) <= 60
    assert passage.text.startswith("… ") and passage.text.endswith(" …")


def test_evidence_that_ends_inside_a_sentence_says_so(monkeypatch):
    run = recited(3, "ence of the boiler in the cellar is 1.6 bar and no", cut=(True, True))
    (evidence,) = ask(monkeypatch, "What is the pressure?", FakeReader({"1.6 bar": 9}), run, fits={3: 0.9}).evidence
    assert evidence.text == "…ence of the boiler in the cellar is 1.6 bar and no…"
    assert evidence.text[slice(*evidence.spans[0])] == "1.6 bar"
    whole = recited(3, "The pressure is 1.6 bar.")
    assert ask(monkeypatch, "What is the pressure?", FakeReader({"1.6 bar": 9}), whole, fits={3: 0.9}).evidence[0].text == whole.text


def test_a_screen_shows_a_refusal_with_places_and_quiet_shows_nothing(monkeypatch, capsys):
    said = ask(monkeypatch, "Where is the boiler?", FakeReader({"1.6 bar": 2}), *NOTES, fits=FITS, sure=NO_ANSWER)
    output.print_answer(said)
    assert capsys.readouterr().out.split("\n") == [
        "Not sure. Closest passages:",
        "",
        "1  a.txt, page 4 · recited word for word",
        "  “The boiler stands in the cellar. Its pressure is 1.6 bar. The caretaker is Mrs Lund.”",
        "",
        "2  b.txt · recited word for word",
        "  “The boiler was made in 2004 by Halder. It is red.”",
        "",
        "3  copy.txt · recited word for word",
        "  “The boiler was made in 2004 by Halder.”",
        "",
    ]
    monkeypatch.setattr(terminal.mode, "quiet", True)
    output.print_answer(said)
    assert capsys.readouterr().out == ""


def test_a_list_is_printed_one_item_a_line(monkeypatch, capsys):
    monkeypatch.setattr(terminal.mode, "quiet", True)
    output.print_answer(Answer("Which?", "quit\nexit", 0.9, (), 1, kind="list"))
    assert capsys.readouterr().out == "quit\nexit\n"


def test_json_has_the_kind_and_the_closest_passages(monkeypatch):
    said = ask(monkeypatch, "Where is the boiler?", FakeReader({"1.6 bar": 2}), *NOTES, fits=FITS, sure=NO_ANSWER)
    facts = json_output.of_answer(said)
    assert list(facts) == ["question", "answer", "refused", "confidence", "evidence", "elapsed_ms", "answer_kind", "closest"]
    assert facts["answer_kind"] is None and facts["refused"] is True
    assert [list(passage) for passage in facts["closest"]] == [["text", "document", "page", "verbatim", "score"]] * 3
    answered = json_output.of_answer(ask(monkeypatch, "Where is it?", FakeReader({"in the cellar": 5}), *NOTES, fits=FITS))
    assert answered["answer_kind"] == "span" and answered["closest"] == []


def test_a_language_model_gets_the_closest_passages_of_a_refusal(monkeypatch):
    said = ask(monkeypatch, "Where is the boiler?", FakeReader({"1.6 bar": 2}), *NOTES, fits=FITS, sure=NO_ANSWER)
    quotes = gather_quotes(said)
    assert [quote.document for quote in quotes if quote.evidence] == ["a.txt", "b.txt", "copy.txt"]
    fits = {number: min(fit, ABSENT - 0.01) for number, fit in FITS.items()}
    assert gather_quotes(ask(monkeypatch, "Who won?", FakeReader({}), *NOTES, fits=fits, sure=NO_ANSWER)) == ()


def test_tables_of_contents_are_no_close_passages(monkeypatch):
    contents = recited(40, "3 The boiler . . . . . . . . . . . . . . 12", document="manual.pdf", page=1)
    said = ask(monkeypatch, "Where is the boiler?", FakeReader({"1.6 bar": 2}), contents, *NOTES, fits={40: 1.0, **FITS}, sure=NO_ANSWER)
    assert [passage.document for passage in said.closest] == ["a.txt", "b.txt", "copy.txt"]
    alone = ask(monkeypatch, "Where is the boiler?", FakeReader({}), contents, fits={40: 1.0}, sure=NO_ANSWER)
    assert [passage.document for passage in alone.closest] == ["manual.pdf"]
