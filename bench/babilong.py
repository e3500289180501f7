"""BABILong (arXiv 2406.10149): facts of a bAbI story scattered, in their order, in books; then the question.

    python bench/babilong.py --babi BABI_FOLDER --books FOLDER_OF_NOVELS --work FOLDER [--lengths 4K 128K 1M] [--count 20]

QA1 to QA5, stories held out of training (``model/training/invented.py``). The books are memorized once a length; for each story
the files that its facts fall into are memorized again, as ``titans ingest`` does, and put back for the next.
"""

import argparse
import random
import statistics
import time
from collections import defaultdict
from pathlib import Path

from common import RESULTS, memorize, parse_length, report
from haystack import Haystack, draw_heat_map, print_heat_map, shuffled_texts

from model.training.invented import Story, babi_stories
from titans_cli.models import Models
from titans_cli.services.ask.answer import Assistant
from titans_cli.services.ingest.run import ingest


class Silent:
    """An ingest that tells nothing."""

    def begin(self, files: int, size: int) -> None: ...
    def file(self, name: str, pages: int | None, size: int) -> None: ...
    def page(self, number: int | None, tokens: int, share: float) -> None: ...
    def done(self, size: int) -> None: ...


def choose(babi: Path, count: int, rng: random.Random) -> list[tuple[int, Story]]:
    """``count`` held-out stories of each task."""
    by_task: dict[int, list[Story]] = defaultdict(list)
    for task, story in babi_stories(babi, held_out=True):
        by_task[task].append(story)
    return [(task, story) for task in sorted(by_task) for story in rng.sample(by_task[task], min(count, len(by_task[task])))]


def ask(story: Story, haystack: Haystack, home: Path, models: Models, rng: random.Random) -> tuple[bool, dict]:
    depths = sorted(rng.random() for _ in story.facts)
    changed = haystack.put(list(zip(depths, story.facts, strict=True)))
    ingest(home, models, changed, Silent())
    assistant = Assistant(home, models)
    begun = time.monotonic()
    retrieval = assistant.retriever.retrieve(story.question)
    answer = assistant.read(story.question, retrieval, begun)
    recited = " ".join(run.text for run in retrieval.recitations)
    found = [fact in recited for fact in story.facts]
    haystack.take_out(changed)
    ingest(home, models, changed, Silent())
    facts = {
        "question": story.question, "right": story.answer, "said": answer.answer, "confidence": answer.confidence,
        "seconds": answer.elapsed_ms / 1000,
        "facts found": statistics.mean(found), "support found": all(found[i] for i in story.support), "runs": len(retrieval.recitations),
    }  # fmt: skip
    return story.answer.lower() in (answer.answer or "").lower().split(), facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--babi", type=Path, required=True)
    parser.add_argument("--books", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--lengths", nargs="+", default=["4K", "32K", "128K", "1M"])
    parser.add_argument("--count", type=int, default=20, help="stories of each task")
    arguments = parser.parse_args()
    models = Models()
    texts = shuffled_texts(arguments.books)
    rows, shares = [], {f"QA{task}": [] for task in range(1, 6)}
    every = []
    for length in arguments.lengths:
        folder, home = arguments.work / length / "books", arguments.work / length / f"home-{models.fingerprint[:8]}"
        haystack = Haystack(texts, parse_length(length), folder)
        haystack.write()
        memorize(folder, home)
        rng = random.Random(7)
        right: dict[int, list[bool]] = defaultdict(list)
        asked = []
        for task, story in choose(arguments.babi, arguments.count, rng):
            hit, facts = ask(story, haystack, home, models, rng)
            right[task].append(hit)
            asked.append({"length": length, "task": task, "hit": hit, **facts})
        every += asked
        row: dict = {"length": length}
        for task in sorted(right):
            row[f"QA{task}"] = 100 * statistics.mean(right[task])
            shares[f"QA{task}"].append(statistics.mean(right[task]))
        row["mean"] = statistics.mean(row[f"QA{task}"] for task in right)
        row["support recited %"] = 100 * statistics.mean(a["support found"] for a in asked)
        row["facts recited %"] = 100 * statistics.mean(a["facts found"] for a in asked)
        row["median seconds"] = statistics.median(a["seconds"] for a in asked)
        rows.append(row)
        report("babilong", rows, stories=arguments.count, asked=every)
    print_heat_map("BABILong, right answers in %", arguments.lengths, shares)
    draw_heat_map("BABILong: right answers in %", arguments.lengths, shares, RESULTS / "babilong.png", "tokens of text")


if __name__ == "__main__":
    main()
