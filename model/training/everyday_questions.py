"""Everyday questions written by hand, about stretches of the training texts and about invented documents.

``everyday_questions.jsonl.gz`` holds one passage a line: {title, source, start, length, questions} for ``length`` characters from
``start`` of the file ``source`` below the text folder, {title, text, questions} for an invented document. Questions of one passage
may stand on several lines. A question is [question, answer, kind], or [question, "yes" or "no", kind, evidence]; the answer is
null where the passage has none. The title decides whether a passage is kept for development.
"""

import re
from functools import lru_cache
from pathlib import Path

from model.training.everyday import Record
from model.training.questions import read_jsonl

__all__ = ["everyday_questions"]

QUESTIONS = Path(__file__).with_suffix(".jsonl.gz")


def everyday_questions(text: Path, questions: Path = QUESTIONS) -> dict[str, list[Record]]:
    """Records of the sources ``everyday`` (texts below the folder ``text``) and ``invented``.

    Raises ValueError when an answer does not stand in its passage: the texts are others than those that the questions are about.
    """
    records: dict[str, list[Record]] = {"everyday": [], "invented": []}
    read = lru_cache(maxsize=None)(lambda source: (text / source).read_text("utf-8", errors="replace"))
    for passage in read_jsonl(questions):
        if "source" in passage:
            start = passage["start"]
            name, context = "everyday", " ".join(read(passage["source"])[start : start + passage["length"]].split())
        else:
            name, context = "invented", passage["text"]
        for question, answer, _, *evidence in passage["questions"]:
            records[name].append(written_record(passage["title"], context, question, answer, bool(evidence)))
    return records


def written_record(title: str, context: str, question: str, answer: str | None, yes_no: bool) -> Record:
    answers: list[str] = []
    starts: list[int] = []
    if answer and yes_no:
        answers, starts = [answer], [-1]
    elif answer:
        found = find_answer(context, answer)
        if found is None:
            raise ValueError(f"Passage {title} does not hold the answer {answer!r}. Use the texts that the questions were written about.")
        answers, starts = [context[slice(*found)]], [found[0]]
    return {"title": title, "context": context, "question": question, "answers": answers, "answer_start": starts}


def find_answer(context: str, answer: str) -> tuple[int, int] | None:
    """First character of the answer in the context and the one behind it, whatever white space is between its words."""
    match = re.search(r"\s+".join(map(re.escape, answer.split())), context)
    return match.span() if match else None
