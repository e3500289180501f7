"""Training questions of the reader, tokenised and packed into one file of arrays.

    python -m model.training.reader_data --data QA_TRAIN --development QA_DEV --text TEXT --babi BABI --everyday FOLDER --out reader_data.npz

Passages and questions are WordPiece ids; answers are first and last tokens in their passage. One passage in twelve of the sets in
``SPLIT`` is kept for development, with the texts that scoring needs.
"""

import argparse
import json
import random
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from model.training.everyday import from_texts, rough, table_questions
from model.training.invented import babi_stories, break_text, identifiers, invent_story, numbers

__all__ = ["KINDS", "Development", "pack_questions"]

KINDS = ("span", "nothing", "yes", "no")
LONGEST_PASSAGE = 1_600
LONGEST_QUESTION = 48
LONGEST_ANSWER = 96
SPLIT = ("boolq", "pubmedqa", "wikitables", "everyday", "invented", "tables")
NOISY = ("squad_train_silver", "numbers", "medquad_gists", "definitions")
STORIES = 24_000


def read_jsonl(path: Path) -> list[dict]:
    import gzip

    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def first_sentence(record: dict) -> dict:
    """A medical question with the first sentence of its passage as the answer."""
    end = record["context"].find(". ")
    said = record["context"][: end + 1 if end > 0 else None]
    return {**record, "answers": [said.rstrip(".")], "answer_start": [0]}


def everyday_records(folder: Path) -> dict[str, list[dict]]:
    """Questions that people wrote about passages: files BATCH.N.jsonl beside the passages of BATCH.jsonl; see README there."""
    records: dict[str, list[dict]] = {"everyday": [], "invented": []}
    passages: dict[tuple[str, int], str] = {}
    for path in sorted((folder / "batches").glob("*.jsonl")):
        passages |= {(path.stem, d["p"]): d["text"] for d in read_jsonl(path)}
    for path in sorted((folder / "out").glob("*.jsonl")):
        batch = path.name.split(".")[0]
        for given in read_jsonl(path):
            if "text" in given:
                passages[batch, given["p"]] = given["text"]
                continue
            context = " ".join(passages[batch, given["p"]].split()) if batch.isdigit() else passages[batch, given["p"]]
            record = {"title": f"{batch}-{given['p']}", "context": context, "question": given["q"], "answers": [], "answer_start": []}
            answer = given.get("a")
            if answer in ("yes", "no") and given.get("s"):
                record |= {"answers": [answer], "answer_start": [-1]}
            elif answer:
                at = find_loosely(context, answer)
                if at is None:
                    continue
                record |= {"answers": [context[slice(*at)]], "answer_start": [at[0]]}
            records["everyday" if batch.isdigit() else "invented"].append(record)
    return records


def find_loosely(context: str, answer: str) -> tuple[int, int] | None:
    """Where the answer stands, whatever white space parts its words."""
    import re

    match = re.search(r"\s+".join(map(re.escape, answer.split())), context)
    return match.span() if match else None


def is_development(name: str, record: dict) -> bool:
    return name in SPLIT and zlib.crc32((record["title"] or record["context"]).encode()) % 12 == 5


class Packer:
    """Collects passages once and examples that point at them."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.passages: list[np.ndarray] = []
        self.known: dict[str, tuple[int, Encoding]] = {}
        self.questions: list[np.ndarray] = []
        self.rows: list[tuple[int, int, int]] = []  # source, passage, kind
        self.spans: list[tuple[int, int, int]] = []  # example, first, last
        self.sources: list[str] = []

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        return self.tokenizer.encode_batch(list(texts), add_special_tokens=False)

    def add(self, name: str, records: Iterable[dict]) -> int:
        records = list(records)
        contexts = [c for c in dict.fromkeys(r["context"] for r in records) if c not in self.known]
        for context, encoding in zip(contexts, self.encode(contexts), strict=True):
            self.known[context] = len(self.passages), encoding
            self.passages.append(np.array(encoding.ids[:LONGEST_PASSAGE], np.uint16))
        self.sources.append(name)
        added = 0
        for record, asked in zip(records, self.encode([r["question"] for r in records]), strict=True):
            number, encoding = self.known[record["context"]]
            kind, spans = answer_of(record, encoding)
            if kind is None or not encoding.ids or not asked.ids:
                continue
            self.spans += [(len(self.rows), first, last) for first, last in spans]
            self.rows.append((len(self.sources) - 1, number, kind))
            self.questions.append(np.array(asked.ids[:LONGEST_QUESTION], np.uint16))
            added += 1
        self.known.clear() if name in ("identifiers", "tables") else None
        return added

    def add_stories(self, name: str, stories: Iterable) -> None:
        """Stories as passages whose facts are parted by separators."""
        self.sources.append(name)
        for story in stories:
            pieces = self.encode([*story.facts, story.question, story.answer])
            facts, question, answer = [p.ids for p in pieces[:-2]], pieces[-2].ids, pieces[-1].ids
            starts = np.cumsum([0, *(len(f) + 1 for f in facts)])
            if starts[-1] > 400:
                continue
            spans = []
            for fact in story.support:
                ids = facts[fact]
                spans += [starts[fact] + i for i in range(len(ids)) if ids[i : i + len(answer)] == answer]
            if not spans:
                continue
            self.spans += [(len(self.rows), s, s + len(answer) - 1) for s in dict.fromkeys(spans)]
            self.rows.append((len(self.sources) - 1, len(self.passages), 0))
            self.passages.append(np.array([t for f in facts for t in (*f, 102)][:-1], np.uint16))
            self.questions.append(np.array(question, np.uint16))

    def arrays(self) -> dict[str, np.ndarray]:
        def ragged(name: str, rows: list[np.ndarray]) -> dict[str, np.ndarray]:
            return {name: np.concatenate(rows), f"{name}_sizes": np.array([len(r) for r in rows], np.uint16)}

        return {
            **ragged("passages", self.passages),
            **ragged("questions", self.questions),
            "rows": np.array(self.rows, np.int32),
            "spans": np.array(self.spans, np.int32),
            "sources": np.array(self.sources),
        }


def answer_of(record: dict, encoding: Encoding) -> tuple[int | None, list[tuple[int, int]]]:
    """Kind of the answer and its tokens; None where it is neither a span, yes, no nor nothing."""
    if record.get("is_impossible") or not record["answers"]:
        return KINDS.index("nothing"), []
    if record["answer_start"][0] < 0:
        said = record["answers"][0].lower().strip(" .")
        return (KINDS.index(said), []) if said in ("yes", "no") else (None, [])
    spans = []
    offsets = encoding.offsets[:LONGEST_PASSAGE]
    for answer, at in zip(record["answers"], record["answer_start"], strict=True):
        inside = [i for i, (a, z) in enumerate(offsets) if a < at + len(answer) and z > at] if at >= 0 else []
        if inside and inside[-1] - inside[0] < LONGEST_ANSWER:
            spans.append((inside[0], inside[-1]))
    return (0, list(dict.fromkeys(spans))) if spans else (None, [])


Development = list[dict]
"""Records with the WordPiece ids and offsets of their passage and question."""


def pack_questions(data: Path, development: Path, text: Path, babi: Path, everyday: Path, tokenizer: Tokenizer) -> tuple[dict, Development]:
    rng = random.Random(0)
    packer = Packer(tokenizer)
    held: list[tuple[str, dict]] = []
    sets = {path.name.split(".")[0]: read_jsonl(path) for path in sorted(data.glob("*.jsonl.gz"))}
    sets.pop("canard_followups", None)
    sets["medquad_gists"] = [first_sentence(r) for r in sets["medquad_gists"] if r["question"].startswith("What is (are)")]
    sets |= everyday_records(everyday)
    sets["tables"] = list(table_questions(14_000, rng))
    made = from_texts(text, 5_000, rng, lambda name: zlib.crc32(name.encode()) % 20 != 7)
    sets["rules"] = [r for r in made if all(r["context"][s:].startswith(a) for a, s in zip(r["answers"], r["answer_start"], strict=True))]
    prose = [" ".join(p.read_text("utf-8", errors="replace")[5_000:9_000].split())[:800] for p in sorted(text.rglob("*.txt"))[::3]]
    prose = [p for p in prose if len(p) > 600]
    sets["identifiers"] = identifiers(prose, 5_000, rng)
    sets["numbers"] = numbers(prose, 3_000, rng)
    whole = [r for r in sets["squad11"] if r["answer_start"][0] >= 0]
    sets["broken"] = [break_text(r, rng) for r in rng.sample(whole, 2_000)]
    sets["typed"] = [{**r, "question": rough(r["question"], rng)} for r in rng.sample(sets["squad_train_silver"], 8_000)]
    for name, records in sets.items():
        kept = [r for r in records if not is_development(name, r)]
        held += [(name, r) for r in records if is_development(name, r)]
        print(f"{name}: {packer.add(name, kept):,} of {len(records):,}", flush=True)
    packer.add_stories("stories", (invent_story(rng) for _ in range(STORIES)))
    known = [story for _, story in babi_stories(babi, held_out=False)]
    packer.add_stories("babi", rng.sample(known, min(len(known), STORIES // 3)))
    filler = [f for f in prose if f]
    packer.add("filler", [{"context": f, "question": "-", "answers": [], "answer_start": []} for f in filler[:6_000]])
    for name, count in (("squad11", 1_400), ("squad20_unanswerable", 400), ("search_questions", 350)):
        records = read_jsonl(development / f"{name}.jsonl.gz")
        held += [(f"{name}", r) for r in rng.sample(records, min(count, len(records)))]
    kept_tables = [h for h in held if h[0] == "tables"][:300]
    held = [h for h in held if h[0] != "tables"] + kept_tables
    return packer.arrays(), development_rows(packer, held)


def development_rows(packer: Packer, held: list[tuple[str, dict]]) -> Development:
    rows = []
    encoded = zip(packer.encode([r["context"] for _, r in held]), packer.encode([r["question"] for _, r in held]), strict=True)
    for (name, record), (passage, question) in zip(held, encoded, strict=True):
        answerable = record["answers"] and not record.get("is_impossible")
        rows.append(
            {
                "source": name,
                "context": record["context"],
                "ids": passage.ids[:440],
                "offsets": passage.offsets[:440],
                "question": question.ids[:LONGEST_QUESTION],
                "answers": record["answers"] if answerable else [],
                "span": bool(answerable and record["answer_start"][0] >= 0),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "development", "text", "babi", "everyday", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=Path("model/weights/wordpiece.json"))
    given = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(given.tokenizer))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    arrays, held = pack_questions(given.data, given.development, given.text, given.babi, given.everyday, tokenizer)
    np.savez(given.out, **arrays)
    given.out.with_suffix(".development.json").write_text(json.dumps(held))
    print({name: array.shape for name, array in arrays.items()}, len(held), "held out")


if __name__ == "__main__":
    main()
