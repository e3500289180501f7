"""The training questions of the reader: tokenised records of several question sets, each in its share."""

import gzip
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from model.bert import wordpieces
from model.reader.network import NO, NOTHING, YES
from model.training.corpus import PROSE, load_texts

__all__ = [
    "LONGEST_ANSWER",
    "LONGEST_PASSAGE",
    "SHARES",
    "Example",
    "Passage",
    "load_sources",
    "other_text",
    "prepare",
    "read_jsonl",
    "sources_in_shares",
]

T = TypeVar("T")
LONGEST_PASSAGE = 256
LONGEST_QUESTION = 48
LONGEST_ANSWER = 40
"""Tokens of an answer that the encoder is trained on; the reader has longer ones."""
NOISY = ("squad_train_silver", "numbers")
SHARES = {  # how often an example of each source is taken in one round
    "squad11": 2.0,
    "squad20_unanswerable": 1.0,
    "squad_train_nqg44": 1.5,
    "squad_train_silver": 1.0,
    "squadshifts_reddit": 0.5,
    "squadshifts_amazon_reviews": 0.5,
    "policyqa_dev": 0.2,
    "policyqa_test": 0.2,
    "subjqa": 0.15,
    "fairytaleqa": 0.5,
    "friendsqa": 0.3,
    "molweni": 0.2,
    "torque": 0.2,
    "ester": 0.2,
    "quoref": 1.0,
    "mctest": 0.5,
    "qamr_sample": 0.3,
    "babi_yes_no": 0.7,
}


@dataclass(frozen=True)
class Passage:
    """A tokenised passage."""

    title: str
    ids: list[int]
    offsets: list[tuple[int, int]]
    text: str


@dataclass(frozen=True)
class Example:
    """A tokenised question; ``spans`` are the answers' first and last tokens in the passage, none with a ``kind``."""

    passage: Passage
    question: list[int]
    kind: int | None
    spans: tuple[tuple[int, int], ...] = ()
    noisy: bool = False

    @property
    def first(self) -> int:
        """The passage's token where the first answer starts."""
        return self.spans[0][0] if self.spans else 0


def read_jsonl(path: Path) -> list[dict]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def yes_no_stories(babi: Path, limit: int = 1_200) -> list[dict]:
    """bAbI's yes/no tasks (6, 9 and 10) as records."""
    records = []
    for path in sorted(babi.rglob("qa*_train.txt")):
        if not re.match(r"qa(6|9|10)_", path.name) or "en" not in path.parts:
            continue
        story: list[str] = []
        for line in path.read_text().splitlines():
            number, _, rest = line.partition(" ")
            if number == "1":
                story = []
            if "\t" not in rest:
                story.append(rest)
                continue
            question, answer, _ = rest.split("\t")
            if answer in ("yes", "no"):
                records.append(
                    {"title": "", "context": " ".join(story), "question": question.strip(), "answers": [answer], "answer_start": [-1]}
                )
    random.Random(0).shuffle(records)
    return records[:limit]


def prepare(records: list[dict], noisy: bool = False) -> list[Example]:
    """Tokenise records, dropping those whose first answer is neither a span, yes, no nor nothing."""
    contexts = list(dict.fromkeys(r["context"] for r in records))
    titles = {r["context"]: r.get("title") or "" for r in records}
    passages = {}
    for context, encoding in zip(contexts, wordpieces(contexts), strict=True):
        passages[context] = Passage(titles[context], encoding.ids, encoding.offsets, context)
    examples = []
    for record, question in zip(records, wordpieces([r["question"] for r in records]), strict=True):
        passage, asked = passages[record["context"]], question.ids[:LONGEST_QUESTION]
        if record.get("is_impossible") or not record["answers"]:
            examples.append(Example(passage, asked, NOTHING))
            continue
        if record["answer_start"][0] < 0:
            kind = {"yes": YES, "no": NO}.get(record["answers"][0].lower().strip(" ."))
            if kind is not None:
                examples.append(Example(passage, asked, kind))
            continue
        spans = [span_of(passage, answer, at) for answer, at in zip(record["answers"], record["answer_start"], strict=True)]
        if spans[0] is not None:
            examples.append(Example(passage, asked, None, tuple(dict.fromkeys(span for span in spans if span)), noisy))
    return examples


def span_of(passage: Passage, answer: str, at: int) -> tuple[int, int] | None:
    """First and last token of the answer at character ``at``, unless there is none or it is too long."""
    inside = [i for i, (a, z) in enumerate(passage.offsets) if a < at + len(answer) and z > at] if at >= 0 else []
    return (inside[0], inside[-1]) if inside and inside[-1] - inside[0] <= LONGEST_ANSWER else None


def load_sources(data: Path, babi: Path) -> dict[str, list[Example]]:
    names = {path.name.split(".")[0]: path for path in sorted(data.glob("*.jsonl.gz"))}
    sources = {name: prepare(read_jsonl(path), name in NOISY) for name, path in names.items()}
    sources["babi_yes_no"] = prepare(yes_no_stories(babi))
    return sources


def sources_in_shares(sources: dict[str, list[T]], rng: random.Random, shares: dict[str, float] = SHARES) -> list[T]:
    """A round of examples, each source in its share (0.3 when not given)."""
    chosen: list[T] = []
    for name, examples in sources.items():
        share = shares.get(name, 0.3)
        whole, part = divmod(share, 1)
        chosen += examples * int(whole) + rng.sample(examples, int(part * len(examples)))
    rng.shuffle(chosen)
    return chosen


def other_text(text: Path, count: int, rng: random.Random) -> list[Passage]:
    """Stretches of about a recitation's length out of the training files of a text folder."""
    pieces = []
    for folder, texts in load_texts(text, held_out=False).items():
        if folder in PROSE[:1]:  # the encyclopedia holds the questions' passages
            continue
        for _ in range(count // 8):
            whole = rng.choice(texts)
            at = rng.randrange(max(1, len(whole) - 800))
            pieces.append(" ".join(whole[at : at + 800].split()))
    rng.shuffle(pieces)
    pieces = pieces[:count]
    return [Passage("", e.ids[:LONGEST_PASSAGE], e.offsets[:LONGEST_PASSAGE], p) for p, e in zip(pieces, wordpieces(pieces), strict=True)]
