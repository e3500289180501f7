"""Everyday questions about ordinary documents: what is answered rightly, shown, refused and answered wrongly, by kind of question.

    python bench/everyday.py --pdf FOLDER_OF_PDFS --work FOLDER [--split dev]

The questions (bench/everyday/questions.jsonl) are about the invented documents of bench/everyday/documents and about PDFs that are looked
for by name below ``--pdf``. Each has the answers that are accepted, lists with "; " between their items, and the words of the right place,
with "…" where words are left out. All documents are copied into WORK and memorized once. The half ``test`` is for the record alone: its
answers are not written down. Outcomes of a question:

    right    a yes or no: the first word is the right one. Else the answer is or contains an accepted form (all items of a list) and has at
             most ``SPARE`` more words; or the accepted form is a clause, and F1 of the words is at least ``ALIKE``
    partly   it contains the accepted form or half of the list among more words, overlaps with it, or says the words of the right place
    shown    neither, but the evidence or the closest passages hold the right place: the accepted form and most words around it
    refused  no answer, and the right place is not shown; right, where the documents do not tell (kind ``absent``)
    wrong    all else
"""

import argparse
import hashlib
import json
import re
import shutil
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import memorize, report

from titans_cli.models import Models
from titans_cli.services.ask.answer import Assistant
from titans_cli.services.ask.results import Answer

HERE = Path(__file__).parent / "everyday"
OUTCOMES = ("right", "partly", "shown", "refused", "wrong")
CLAUSES = frozenset({"definition", "howto", "why", "compare"})
"""Kinds whose answers are clauses or sentences; an accepted form of ``CLAUSE`` words is one too."""
CLAUSE = 6
SPARE = {"short": 5, "date": 12, "clause": 40}
"""Words that a right answer may have beyond the accepted form; two more for each item of a list. A date may name the earlier one."""
ALIKE = 0.5
"""F1 from which a clause is the accepted one in other words."""
OVERLAP = 0.3
"""F1 from which an answer is partly right."""
COVERED = 0.8
"""Share of the words of the right place that a passage needs to show it, among as many words as the place has and half as many more."""
ARTICLES = frozenset({"a", "an", "the"})
EDGES = "\"'`*.,;:!?()[]{}<>⟨⟩“”‘’"
"""Signs that are dropped around a word; dashes and slashes belong to it."""


@dataclass(frozen=True)
class Question:
    """A question with its answers, and where they stand."""

    id: str
    kind: str
    question: str
    answers: tuple[str, ...]  # accepted forms, none when absent
    document: str | None  # pdf/NAME or notes/NAME
    page: int | None
    quote: str
    split: str  # dev or test
    absent: bool  # the documents do not tell


@dataclass(frozen=True)
class Asked:
    """What came of a question."""

    question: Question
    answer: str | None
    confidence: float
    outcome: str
    recalled: tuple[bool, bool]  # the right place is in the first run, among the first five


def read_questions(path: Path = HERE / "questions.jsonl") -> list[Question]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [Question(**row | {"answers": tuple(row["answers"])}) for row in rows]


def words(text: str) -> list[str]:
    """Words in lower case, without articles and the signs around them."""
    stripped = (part.strip(EDGES) for part in text.lower().replace("’", "'").split())
    return [word for word in stripped if word and word not in ARTICLES]


def parts(text: str) -> list[str]:
    """Letters and digits that stand together: finer than ``words``."""
    return [part for part in re.findall(r"\w+", text.lower()) if part not in ARTICLES]


def within(inner: Sequence[str], outer: Sequence[str]) -> bool:
    """Whether ``inner`` stands in ``outer``, as it is."""
    size = len(inner)
    return size > 0 and any(list(outer[i : i + size]) == list(inner) for i in range(len(outer) - size + 1))


def f1(ours: Sequence[str], theirs: Sequence[str]) -> float:
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0


def is_right(answer: str, question: Question) -> bool:
    said = words(answer)
    if question.kind == "yesno":
        return said[:1] == words(question.answers[0])[:1]
    for form in question.answers:
        accepted = words(form)
        clause = question.kind in CLAUSES or len(accepted) >= CLAUSE
        items = [words(item) for item in form.split("; ")]
        spare = SPARE["date" if question.kind == "date" else "clause" if clause and question.kind != "list" else "short"]
        spare += 2 * (len(items) - 1)
        if all(within(item, said) for item in items) and len(said) <= len(accepted) + spare:
            return True
        if clause and question.kind != "list" and f1(said, accepted) >= ALIKE:
            return True
    return False


def is_partly_right(answer: str, question: Question) -> bool:
    said, place = parts(answer), parts(question.quote)
    if f1(said, place) >= ALIKE:
        return True
    if question.kind == "yesno":
        return f1(said, place) >= OVERLAP
    for form in question.answers:
        items = [parts(item) for item in form.split("; ")]
        if 2 * sum(within(item, said) for item in items) >= len(items):
            return True
        if question.kind != "list" and f1(said, parts(form)) >= OVERLAP:
            return True
    return False


def holds(passage: Sequence[str], place: Sequence[str]) -> bool:
    """Whether most words of ``place`` stand close together in ``passage``."""
    wanted, size = set(place), len(place) + len(place) // 2
    starts = range(max(1, len(passage) - size + 1))
    return any(len(wanted.intersection(passage[i : i + size])) >= COVERED * len(wanted) for i in starts)


def shows(passages: Iterable[str], question: Question) -> bool:
    """Whether passages hold the right place: each piece of the quote stands in one, and so does an accepted form that is in the quote."""
    read = [parts(passage) for passage in passages]
    if not all(any(holds(passage, parts(piece)) for passage in read) for piece in question.quote.split("…")):
        return False
    place = parts(question.quote)
    forms = [form for form in map(parts, question.answers) if within(form, place)]
    return not forms or any(within(form, passage) for form in forms for passage in read)


def outcome_of(answer: str | None, shown: Sequence[str], question: Question) -> str:
    if question.absent:
        return "right" if answer is None else "wrong"
    if answer is not None and is_right(answer, question):
        return "right"
    if answer is not None and is_partly_right(answer, question):
        return "partly"
    if shows(shown, question):
        return "shown"
    return "refused" if answer is None else "wrong"


def passages_of(answer: Answer) -> list[str]:
    """Texts that stand below an answer: its evidence and, where it is unsure, the closest passages."""
    return [passage.text for passage in (*answer.evidence, *getattr(answer, "closest", ()))]


def ask(assistant: Assistant, question: Question) -> Asked:
    said = assistant.ask(question.question)
    runs = [run.text for run in assistant.retriever.retrieve(question.question).runs]
    recalled = (False, False) if question.absent else (shows(runs[:1], question), shows(runs[:5], question))
    outcome = outcome_of(said.answer, passages_of(said), question)
    return Asked(question, said.answer, said.confidence, outcome, recalled)


def row_of(kind: str, asked: Sequence[Asked]) -> dict:
    """Per cent of the questions; confidence and share right are those of the answered ones, from 0 to 1."""
    answered = [one for one in asked if one.answer is not None]
    told = [one for one in asked if not one.question.absent]
    nothing = float("nan")
    return {
        "kind": kind,
        "asked": len(asked),
        **{outcome: 100 * statistics.mean(one.outcome == outcome for one in asked) for outcome in OUTCOMES},
        "shown under a wrong answer": 100 * statistics.mean(one.outcome == "shown" and one.answer is not None for one in asked),
        "recall @1": 100 * statistics.mean(one.recalled[0] for one in told) if told else nothing,
        "recall @5": 100 * statistics.mean(one.recalled[1] for one in told) if told else nothing,
        "answered": len(answered),
        "confidence": statistics.mean(one.confidence for one in answered) if answered else nothing,
        "share right": statistics.mean(one.outcome == "right" for one in answered) if answered else nothing,
    }


def rows_of(asked: Sequence[Asked]) -> list[dict]:
    """A row for each kind, and for all questions that the documents answer: about notes, about PDFs, and together."""
    told = [one for one in asked if not one.question.absent]
    groups = {kind: [one for one in asked if one.question.kind == kind] for kind in dict.fromkeys(one.question.kind for one in asked)}
    groups |= {f"all of {folder}": [one for one in told if (one.question.document or "").startswith(folder)] for folder in ("notes", "pdf")}
    groups["all but absent"] = told
    return [row_of(kind, group) for kind, group in groups.items() if group]


def gather(questions: Iterable[Question], pdfs: Path, folder: Path) -> None:
    """Copy the PDFs that are asked about and the invented documents into ``folder``."""
    places = {question.document for question in questions if question.document}
    wanted = {place.removeprefix("pdf/") for place in places if place.startswith("pdf/")}
    found = {path.name: path for path in sorted(pdfs.rglob("*.pdf"))}
    if missing := sorted(wanted - found.keys()):
        raise SystemExit(f"{pdfs} lacks {len(missing)} of {len(wanted)} PDFs: {', '.join(missing)}")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "documents", folder / "notes")
    (folder / "pdf").mkdir()
    for name in wanted:
        shutil.copyfile(found[name], folder / "pdf" / name)


def digest(folder: Path) -> str:
    """SHA-256 of all names and contents."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(str(path.relative_to(folder)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def ingest(documents: Path, home: Path) -> dict:
    """Memorize, unless these very documents were memorized before; its speed and peak memory."""
    kept, now = home.with_name(f"{home.name}.json"), digest(documents)
    if kept.exists():
        done = json.loads(kept.read_text())
        if done["documents"] == now:
            return done
    done = {"documents": now, **memorize(documents, home, "--include", "*")}
    kept.write_text(json.dumps(done))
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pdf", type=Path, required=True, help="a folder below which the PDFs are")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    arguments = parser.parse_args()
    questions, models = read_questions(), Models()
    documents, home = arguments.work / "documents", arguments.work / f"home-{models.fingerprint[:8]}"
    gather(questions, arguments.pdf, documents)
    done = ingest(documents, home)
    assistant = Assistant(home, models)
    asked = [ask(assistant, question) for question in questions if question.split == arguments.split]
    told = [vars(one) | {"question": vars(one.question)} for one in asked] if arguments.split == "dev" else []
    report(f"everyday_{arguments.split}", rows_of(asked), ingest=done["ingest"], answers=told)


if __name__ == "__main__":
    main()
