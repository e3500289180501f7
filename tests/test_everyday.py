"""The scoring of bench/everyday.py, and that its questions and documents fit each other."""

import re
from collections import Counter

import pytest
from everyday import HERE, Asked, Question, is_partly_right, is_right, outcome_of, read_questions, row_of, shows

QUESTIONS = read_questions()


def question(kind: str, *answers: str, quote: str = "") -> Question:
    return Question("x-01", kind, "?", answers, "notes/x.txt", None, quote, "dev", kind == "absent")


@pytest.mark.parametrize(
    ("kind", "accepted", "answer", "right"),
    [
        ("number", "150 g", "150 g", True),
        ("number", "150 g", "350 g", False),
        ("number", "633.84", "Total GBP 633.84.", True),
        ("number", "633.84", "Payable within 21 days without deduction: 633.84 GBP, not later", False),
        ("option", "--limit", "`--limit`", True),
        ("option", "--limit", "limit", False),
        ("yesno", "no", "No: Windows is not supported.", True),
        ("yesno", "no", "Windows is not supported.", False),
        ("list", "wind; rain", "rain\nwind", True),
        ("list", "wind; rain; humidity", "rain, wind", False),
        ("date", "17 May", "Earlier: 26 April; postponed to 17 May (later note)", True),
        ("date", "17 May", "26 April", False),
        ("howto", "hold MENU and STEAM together for ten seconds", "Hold MENU and STEAM for ten seconds.", True),
        ("howto", "hold MENU and STEAM together for ten seconds", "Empty the tank and press CALC for a minute", False),
        ("why", "it attacks the seals", "Never use vinegar: it attacks the seals.", True),
    ],
)
def test_an_answer_is_right_when_it_is_an_accepted_form_and_little_more(kind, accepted, answer, right):
    assert is_right(answer, question(kind, accepted)) == right


@pytest.mark.parametrize(
    ("kind", "accepted", "answer", "partly"),
    [
        ("option", "--limit", "limit", True),
        ("list", "wind; rain; humidity", "rain, wind", True),
        ("list", "wind; rain; humidity", "rain", False),
        ("table", "218", "May,218,31,9.6,117.30", True),
        ("yesno", "no", "Windows is not supported.", True),
        ("yesno", "no", "yes", False),
        ("fact", "Sabine Roth", "Priya Nair", False),
    ],
)
def test_an_answer_is_partly_right_when_it_overlaps_or_says_the_right_place(kind, accepted, answer, partly):
    assert is_partly_right(answer, question(kind, accepted, quote="Windows is not supported.")) == partly


def test_a_passage_shows_the_right_place_with_the_accepted_form():
    asked = question("number", "150 g", quote="150 g rye flour … 120 g walnuts")
    assert shows(["- 350 g wheat flour - 150 g rye flour", "120 g walnuts"], asked)
    assert not shows(["- 150 g rye flour"], asked)
    assert not shows([f"150 g {'and so on ' * 20} rye flour; 120 g walnuts"], asked)
    assert not shows(["300 g rye flour and 150 ml; 120 g walnuts"], question("number", "150 g", quote="150 g rye flour"))


def test_outcomes():
    asked = question("fact", "Sabine Roth", quote="Excused: Sabine Roth.")
    place = ["Present: four. Excused: Sabine Roth."]
    assert outcome_of("Sabine Roth", (), asked) == "right"
    assert outcome_of("Roth", (), asked) == "partly"
    assert outcome_of("Priya", place, asked) == outcome_of(None, place, asked) == "shown"
    assert outcome_of("Priya", (), asked) == "wrong"
    assert outcome_of(None, (), asked) == "refused"
    assert [outcome_of(answer, place, question("absent")) for answer in (None, "Priya")] == ["right", "wrong"]


def test_a_row_counts_outcomes_and_compares_confidence_with_the_share_right():
    asked = question("fact", "Roth", quote="Roth")
    outcomes = [("Roth", 0.9, "right"), ("Priya", 0.5, "shown"), (None, 0.8, "refused"), ("Ines", 0.4, "wrong")]
    row = row_of("fact", [Asked(asked, answer, confidence, outcome, (False, True)) for answer, confidence, outcome in outcomes])
    assert [row[name] for name in ("right", "partly", "shown", "refused", "wrong")] == [25, 0, 25, 25, 25]
    assert row["shown under a wrong answer"] == 25 and row["answered"] == 3 and (row["recall @1"], row["recall @5"]) == (0, 100)
    assert row["confidence"] == pytest.approx(0.6) and row["share right"] == pytest.approx(1 / 3)


def test_the_questions_are_many_of_each_kind_and_split_in_halves():
    kinds = Counter(q.kind for q in QUESTIONS)
    assert min(kinds.values()) >= 10 and kinds["absent"] >= 25 and len(kinds) == 19
    assert len({q.id for q in QUESTIONS}) == len({q.question for q in QUESTIONS}) == len(QUESTIONS)
    for kind, number in kinds.items():
        assert sum(q.split == "dev" for q in QUESTIONS if q.kind == kind) == (number + 1) // 2
    folders = Counter((q.document or "").partition("/")[0] for q in QUESTIONS)
    assert folders["pdf"] >= 110 and folders["notes"] >= 100


@pytest.mark.parametrize("asked", [q for q in QUESTIONS if not q.absent], ids=lambda q: q.id)
def test_an_accepted_form_is_right_and_the_quote_shows_it(asked):
    assert all(is_right(form, asked) for form in asked.answers)
    assert shows([asked.quote], asked)
    folder, _, name = (asked.document or "").partition("/")
    if folder == "notes":
        text = (HERE / "documents" / name).read_text("utf-8")
        if name.endswith(".html"):
            text = re.sub(r"<[^>]+>", " ", text)
        letters = re.sub(r"[\W_]", "", text.lower())
        assert all(re.sub(r"[\W_]", "", piece.lower()) in letters for piece in asked.quote.split("…"))
    else:
        assert folder == "pdf" and asked.page


def test_absent_questions_have_no_answer():
    assert all(not q.answers and q.document is None and not q.quote for q in QUESTIONS if q.absent)
