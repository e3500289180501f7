"""RULER's needles (arXiv 2404.06654): sentences with a key and a value, put at all depths of a long text, and asked for.

    python bench/needle.py --texts KIND=FOLDER ... --work FOLDER [--lengths 4K 128K 1M] [--count 2]

A haystack is one sentence group repeated, or the text of a folder. At each depth stand needles of all kinds; as their keys differ
each is a needle in a haystack with all the others: RULER's multi-key task. A multi-value key has four needles, a multi-query
question asks for four keys; their score is the share of values in the answer. Words are what ``KIND`` folders are made of.
"""

import argparse
import random
import re
import statistics
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common import RESULTS, memorize, parse_length, report
from haystack import Haystack, draw_heat_map, print_heat_map, shuffled_texts

from titans_cli.models import Models
from titans_cli.services.ask.answer import Assistant

REPEATED = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "
NEEDLE = "One of the special magic {type}s for {key} is: {value}."
QUESTION = "What is the special magic {type} for {key} mentioned in the provided text?"
QUESTIONS = "What are all the special magic {type}s for {key} mentioned in the provided text?"
PASS_KEY = "The pass key for {key} is {value}. Remember it. {value} is the pass key for {key}."
DEPTHS = 11


@dataclass(frozen=True)
class Needle:
    """A question, what its answer must hold, and the facts that tell it with their depths."""

    kind: str
    depth: float
    question: str
    values: tuple[str, ...]
    facts: tuple[tuple[float, str], ...]


class Maker:
    """Needles with keys that no other has."""

    def __init__(self, words: Sequence[str], rng: random.Random):
        self.words, self.rng = words, rng
        self.used: set[str] = set()

    def fresh(self, kind: str) -> str:
        while True:
            made = {
                "word": lambda: f"{self.rng.choice(self.words)}-{self.rng.choice(self.words)}",
                "number": lambda: str(self.rng.randrange(1_000_000, 10_000_000)),
                "uuid": lambda: str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            }[kind]()
            if made not in self.used:
                self.used.add(made)
                return made

    def single(self, key: str, value: str, depth: float) -> Needle:
        k, v = self.fresh(key), self.fresh(value)
        facts = ((depth, NEEDLE.format(type=value, key=k, value=v)),)
        return Needle(f"{key} → {value}", depth, QUESTION.format(type=value, key=k), (v,), facts)

    def pass_key(self, depth: float) -> Needle:
        k, v = self.fresh("word"), str(self.rng.randrange(10_000, 100_000))
        return Needle("pass key", depth, f"What is the pass key for {k}?", (v,), ((depth, PASS_KEY.format(key=k, value=v)),))

    def multi_value(self) -> Needle:
        k, values = self.fresh("word"), [self.fresh("number") for _ in range(4)]
        facts = tuple(sorted((self.rng.random(), NEEDLE.format(type="number", key=k, value=v)) for v in values))
        return Needle("multi-value", facts[0][0], QUESTIONS.format(type="number", key=k), tuple(values), facts)

    def multi_query(self) -> Needle:
        singles = [self.single("word", "number", self.rng.random()) for _ in range(4)]
        keys = [n.question.partition(" for ")[2].partition(" mentioned")[0] for n in singles]
        question = QUESTIONS.format(type="number", key=f"{keys[0]}, {keys[1]}, {keys[2]}, and {keys[3]}")
        return Needle("multi-query", 0, question, tuple(n.values[0] for n in singles), tuple(sorted(f for n in singles for f in n.facts)))

    def all(self, count: int) -> list[Needle]:
        needles = []
        for step in range(DEPTHS):
            for _ in range(count):
                depth = step / (DEPTHS - 1)
                pairs = [("word", "number"), ("word", "word"), ("word", "uuid"), ("uuid", "uuid"), ("number", "number")]
                needles += [self.single(key, value, depth) for key, value in pairs]
                needles.append(self.pass_key(depth))
        return needles + [make() for make in (self.multi_value, self.multi_query) for _ in range(5 * count)]


def run(haystack: Haystack, needles: Sequence[Needle], home: Path, models: Models) -> list[dict]:
    haystack.write()
    haystack.put(sorted((fact for needle in needles for fact in needle.facts), key=lambda fact: fact[0]))
    memorize(haystack.folder, home)
    assistant = Assistant(home, models)
    results = []
    for needle in needles:
        answer = assistant.ask(needle.question)
        right = statistics.mean(value.lower() in (answer.answer or "").lower() for value in needle.values)
        results.append({
            "kind": needle.kind, "depth": needle.depth, "right": right, "question": needle.question, "values": needle.values,
            "answer": answer.answer, "seconds": answer.elapsed_ms / 1000,
        })  # fmt: skip
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", nargs="+", required=True, help="KIND=FOLDER")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--lengths", nargs="+", default=["4K", "32K", "128K", "1M"])
    parser.add_argument("--count", type=int, default=1, help="needles of each kind at each depth")
    arguments = parser.parse_args()
    models = Models()
    folders = dict(pair.split("=", 1) for pair in arguments.texts)
    texts = {"repeated": None} | {kind: shuffled_texts(Path(folder)) for kind, folder in folders.items()}
    words = sorted(set(re.findall(r"\b[a-z]{4,9}\b", "".join(t[:100_000] for ts in texts.values() if ts for t in ts[:20]))))
    everything: list[dict] = []
    for kind, parts in texts.items():
        for length in arguments.lengths:
            tokens = parse_length(length)
            whole = parts if parts is not None else [REPEATED * (tokens // 15)]
            folder = arguments.work / f"{kind}-{length}"
            haystack = Haystack(whole, tokens, folder / "text")
            needles = Maker(words, random.Random(3)).all(arguments.count)
            results = run(haystack, needles, folder / f"home-{models.fingerprint[:8]}", models)
            everything += [{"text": kind, "length": length, **result} for result in results]
            show(everything, arguments.lengths)


def show(everything: list[dict], lengths: Sequence[str]) -> None:
    """Table by text, length and kind; heat maps of single needles by depth."""
    by_row: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for r in everything:
        by_row[r["text"], r["length"]][r["kind"]].append(r["right"])
    rows = [{"text": t, "length": n, **{k: 100 * statistics.mean(v) for k, v in kinds.items()}} for (t, n), kinds in by_row.items()]
    for row in rows:
        row["median seconds"] = statistics.median(
            r["seconds"] for r in everything if (r["text"], r["length"]) == (row["text"], row["length"])
        )
    report("needle", rows, asked=everything)
    done = [length for length in lengths if any(r["length"] == length for r in everything)]
    single = [r for r in everything if not r["kind"].startswith("multi")]
    depths = sorted({r["depth"] for r in single})
    shares = {
        f"{depth:.0%}": [statistics.mean(r["right"] for r in single if (r["depth"], r["length"]) == (depth, length)) for length in done]
        for depth in depths
    }
    print_heat_map("Single needles by depth and length, right answers in %", done, shares)
    draw_heat_map("Needles by depth: right answers in %", done, shares, RESULTS / "needle.png", "tokens of text")


if __name__ == "__main__":
    main()
