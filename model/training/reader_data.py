"""Training questions of the reader, tokenised and packed into one file of arrays.

    python -m model.training.reader_data --data QA_TRAIN --development QA_DEV --text TEXT --babi BABI --out reader_data.npz

Passages and questions are WordPiece ids; answers are first and last tokens in their passage. One passage in twelve of the sets in
``SPLIT`` is kept for development, with the texts that scoring needs, in ``reader_data.development.json`` beside the arrays. Reads the
question sets (*.jsonl.gz), the text folders (see ``corpus.py``), bAbI, and the questions of ``everyday_questions.py``.
"""

import argparse
import json
import random
import zlib
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

import numpy as np
from tokenizers import Encoding

from model.bert import SEPARATOR, wordpieces
from model.reader.spans import LONGEST_ANSWER
from model.training.everyday import add_typing_noise, questions_from_texts
from model.training.everyday_questions import everyday_questions
from model.training.everyday_tables import table_questions
from model.training.invented import Story, babi_stories, break_text, identifiers, invent_story, numbers
from model.training.questions import LONGEST_QUESTION, read_jsonl

__all__ = ["Kind", "Packer", "development_rows", "pack_questions"]

LONGEST_PASSAGE = 1_600
LONGEST_STORY = 400
DEVELOPMENT_TOKENS = 440
"""Tokens of a passage that is kept for development."""
SPLIT = ("boolq", "pubmedqa", "wikitables", "everyday", "invented", "tables")
STORIES = 24_000
DEVELOPMENT = {"squad11": 1_400, "squad20_unanswerable": 400, "search_questions": 350}
"""Questions taken of the development sets."""


class Kind(IntEnum):
    """Kind of a question's answer; the last three are one more than ``NOTHING``, ``YES`` and ``NO`` of the network."""

    SPAN = 0
    NOTHING = 1
    YES = 2
    NO = 3


def first_sentence(record: dict) -> dict:
    """A medical question with the first sentence of its passage as the answer."""
    end = record["context"].find(". ")
    said = record["context"][: end + 1 if end > 0 else None]
    return {**record, "answers": [said.rstrip(".")], "answer_start": [0]}


def is_development(name: str, record: dict) -> bool:
    return name in SPLIT and zlib.crc32((record["title"] or record["context"]).encode()) % 12 == 5


class Packer:
    """Collects passages, each once, and examples that point at them."""

    def __init__(self) -> None:
        self.passages: list[np.ndarray] = []
        self.known: dict[str, tuple[int, Encoding]] = {}
        self.questions: list[np.ndarray] = []
        self.rows: list[tuple[int, int, int]] = []  # source, passage, kind
        self.spans: list[tuple[int, int, int]] = []  # example, first and last token
        self.sources: list[str] = []

    def add(self, name: str, records: list[dict]) -> int:
        """Pack the records of a source; returns how many have an answer that can be learned."""
        contexts = [c for c in dict.fromkeys(r["context"] for r in records) if c not in self.known]
        for context, encoding in zip(contexts, wordpieces(contexts), strict=True):
            self.known[context] = len(self.passages), encoding
            self.passages.append(np.array(encoding.ids[:LONGEST_PASSAGE], np.uint16))
        self.sources.append(name)
        before = len(self.rows)
        for record, asked in zip(records, wordpieces([r["question"] for r in records]), strict=True):
            number, encoding = self.known[record["context"]]
            kind, spans = answer_of(record, encoding)
            if kind is not None and encoding.ids and asked.ids:
                self.add_example(number, kind, asked.ids[:LONGEST_QUESTION], spans)
        return len(self.rows) - before

    def add_example(self, passage: int, kind: Kind, question: list[int], spans: list[tuple[int, int]]) -> None:
        self.spans += [(len(self.rows), first, last) for first, last in spans]
        self.rows.append((len(self.sources) - 1, passage, kind))
        self.questions.append(np.array(question, np.uint16))

    def forget_passages(self) -> None:
        """Free the passages' encodings; a passage that comes again gets another number."""
        self.known.clear()

    def add_stories(self, name: str, stories: Iterable[Story]) -> None:
        """Pack stories as passages whose facts are parted by separators, but for long ones and those whose facts lack the answer."""
        self.sources.append(name)
        for story in stories:
            *facts, question, answer = (encoding.ids for encoding in wordpieces([*story.facts, story.question, story.answer]))
            starts = np.cumsum([0, *(len(fact) + 1 for fact in facts)]).tolist()
            firsts = [
                starts[number] + i
                for number in story.support
                for i in range(len(facts[number]))
                if facts[number][i : i + len(answer)] == answer
            ]
            if starts[-1] <= LONGEST_STORY and firsts:
                self.add_example(len(self.passages), Kind.SPAN, question, [(s, s + len(answer) - 1) for s in dict.fromkeys(firsts)])
                self.passages.append(np.array([token for fact in facts for token in (*fact, SEPARATOR)][:-1], np.uint16))

    def arrays(self) -> dict[str, np.ndarray]:
        """``passages`` and ``questions``: token ids end to end, uint16, with ``_sizes`` of each.

        ``rows`` [e, 3]: source, passage and kind of each example; ``spans`` [s, 3]: example, first and last token of each answer;
        ``sources``: their names.
        """

        def ragged(name: str, rows: list[np.ndarray]) -> dict[str, np.ndarray]:
            return {name: np.concatenate(rows), f"{name}_sizes": np.array([len(r) for r in rows], np.uint16)}

        return {
            **ragged("passages", self.passages),
            **ragged("questions", self.questions),
            "rows": np.array(self.rows, np.int32),
            "spans": np.array(self.spans, np.int32),
            "sources": np.array(self.sources),
        }


def answer_of(record: dict, encoding: Encoding) -> tuple[Kind | None, list[tuple[int, int]]]:
    """Kind of the answer and its tokens; None where it is neither a span, yes, no nor nothing."""
    if record.get("is_impossible") or not record["answers"]:
        return Kind.NOTHING, []
    if record["answer_start"][0] < 0:
        return {"yes": Kind.YES, "no": Kind.NO}.get(record["answers"][0].lower().strip(" .")), []
    spans = []
    offsets = encoding.offsets[:LONGEST_PASSAGE]
    for answer, at in zip(record["answers"], record["answer_start"], strict=True):
        inside = [i for i, (a, z) in enumerate(offsets) if a < at + len(answer) and z > at] if at >= 0 else []
        if inside and inside[-1] - inside[0] < LONGEST_ANSWER:
            spans.append((inside[0], inside[-1]))
    return (Kind.SPAN, list(dict.fromkeys(spans))) if spans else (None, [])


def prose_passages(text: Path) -> list[str]:
    """A stretch of 600 to 800 characters from every third text."""
    prose = [" ".join(p.read_text("utf-8", errors="replace")[5_000:9_000].split())[:800] for p in sorted(text.rglob("*.txt"))[::3]]
    return [passage for passage in prose if len(passage) > 600]


def question_sets(data: Path, text: Path, prose: list[str], rng: random.Random) -> dict[str, list[dict]]:
    """Records of all sources but stories: the sets of ``data``, questions written by hand, and those made by rules."""
    sets = {path.name.split(".")[0]: read_jsonl(path) for path in sorted(data.glob("*.jsonl.gz"))}
    sets.pop("canard_followups", None)  # make no sense without the talk before them
    sets["medquad_gists"] = [first_sentence(r) for r in sets["medquad_gists"] if r["question"].startswith("What is (are)")]
    sets |= everyday_questions(text)
    sets["tables"] = list(table_questions(14_000, rng))
    made = questions_from_texts(text, 5_000, rng)
    sets["rules"] = [r for r in made if all(r["context"][s:].startswith(a) for a, s in zip(r["answers"], r["answer_start"], strict=True))]
    sets["identifiers"] = identifiers(prose, 5_000, rng)
    sets["numbers"] = numbers(prose, 3_000, rng)
    whole = [r for r in sets["squad11"] if r["answer_start"][0] >= 0]
    sets["broken"] = [break_text(r, rng) for r in rng.sample(whole, 2_000)]
    sets["typed"] = [{**r, "question": add_typing_noise(r["question"], rng)} for r in rng.sample(sets["squad_train_silver"], 8_000)]
    return sets


def pack_questions(data: Path, development: Path, text: Path, babi: Path) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Arrays of the training questions, see ``Packer.arrays``, and rows of the development questions, see ``development_rows``."""
    rng = random.Random(0)
    packer = Packer()
    prose = prose_passages(text)
    held: list[tuple[str, dict]] = []
    for name, records in question_sets(data, text, prose, rng).items():
        held += [(name, r) for r in records if is_development(name, r)]
        added = packer.add(name, [r for r in records if not is_development(name, r)])
        print(f"{name}: {added:,} of {len(records):,}", flush=True)
        if name in ("identifiers", "tables"):
            packer.forget_passages()
    packer.add_stories("stories", (invent_story(rng) for _ in range(STORIES)))
    known = [story for _, story in babi_stories(babi, held_out=False)]
    packer.add_stories("babi", rng.sample(known, min(len(known), STORIES // 3)))
    packer.add("filler", [{"context": p, "question": "-", "answers": [], "answer_start": []} for p in prose[:6_000]])
    for name, count in DEVELOPMENT.items():
        records = read_jsonl(development / f"{name}.jsonl.gz")
        held += [(name, r) for r in rng.sample(records, min(count, len(records)))]
    tables = [h for h in held if h[0] == "tables"][:300]
    return packer.arrays(), development_rows([h for h in held if h[0] != "tables"] + tables)


def development_rows(held: list[tuple[str, dict]]) -> list[dict]:
    """Records by source with the WordPiece ids and offsets of their passage; ``span`` says whether the answer is one."""
    rows = []
    encoded = zip(wordpieces([r["context"] for _, r in held]), wordpieces([r["question"] for _, r in held]), strict=True)
    for (name, record), (passage, question) in zip(held, encoded, strict=True):
        answerable = record["answers"] and not record.get("is_impossible")
        rows.append(
            {
                "source": name,
                "context": record["context"],
                "ids": passage.ids[:DEVELOPMENT_TOKENS],
                "offsets": passage.offsets[:DEVELOPMENT_TOKENS],
                "question": question.ids[:LONGEST_QUESTION],
                "answers": record["answers"] if answerable else [],
                "span": bool(answerable and record["answer_start"][0] >= 0),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "development", "text", "babi", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    arrays, held = pack_questions(given.data, given.development, given.text, given.babi)
    np.savez(given.out, **arrays)  # type: ignore[arg-type]
    given.out.with_suffix(".development.json").write_text(json.dumps(held))
    print({name: array.shape for name, array in arrays.items()}, len(held), "held out")


if __name__ == "__main__":
    main()
