"""Promise P3: questions about memorized documents, beside retrieval of text with the same reader.

    python bench/docqa.py --questions squad11.jsonl.gz --distractors FOLDER_OF_TEXT_FOLDERS --work FOLDER
        [--tokens 1000000] [--count 400]

Writes every article of the questions (its passages in order) and enough other documents into WORK/documents, memorizes
them into WORK/home (kept and reused), and asks. The baselines keep the text: windows of 256 tokens, the best eight by
BM25 (SQLite FTS5) or by the dot product of the same gist vectors, read by the same reader.
"""

import argparse
import gzip
import json
import random
import re
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import report

from model import Passage, load_tokenizer, question_gist, read_answer, sentence_gists, wake
from model.training.corpus import load_texts
from model.training.scoring import best, exact_match, f1
from titans_cli.models import Models
from titans_cli.usecases.ask import REFUSE_BELOW, Assistant, answer_text

WINDOW, TOP = 256, 8


def write_documents(records: list[dict], distractors: Path, folder: Path, wanted: int) -> None:
    """One file an article, and other documents of ``wanted`` tokens in all."""
    if folder.exists():
        return
    encode = load_tokenizer().encode_ordinary
    articles: dict[str, dict[str, None]] = defaultdict(dict)
    for record in records:
        articles[record["title"]][record["context"]] = None
    folder.mkdir(parents=True)
    for title, passages in articles.items():
        (folder / f"article-{re.sub(r'[^A-Za-z0-9]+', '_', title)}.txt").write_text("\n\n".join(passages))
    texts = load_texts(distractors, held_out=True)
    for name, parts in load_texts(distractors, held_out=False, limit=200_000).items():
        texts.setdefault(name, []).extend(parts)
    others = [(name, text) for name, parts in texts.items() if name != "squad_wiki_articles" for text in parts]
    random.Random(0).shuffle(others)
    taken = 0
    for number, (name, text) in enumerate(others):
        if taken >= wanted:
            return
        (folder / f"other-{name}-{number}.txt").write_text(text[:200_000])
        taken += len(encode(text[:200_000]))
    raise SystemExit(f"There are only {taken} tokens of other documents.")


def windows_of(folder: Path) -> list[str]:
    """All text in windows of ``WINDOW`` tokens, none across documents."""
    tokenizer = load_tokenizer()
    result = []
    for path in sorted(folder.glob("*.txt")):
        tokens = tokenizer.encode_ordinary(path.read_text())
        result += [tokenizer.decode(tokens[i : i + WINDOW]) for i in range(0, len(tokens), WINDOW)]
    return result


def bm25(windows: list[str]) -> Callable[[str], list[tuple[int, float]]]:
    db = sqlite3.connect(":memory:")
    db.execute("create virtual table w using fts5(text, tokenize='porter unicode61')")
    db.executemany("insert into w(rowid, text) values (?, ?)", enumerate(windows))

    def search(question: str) -> list[tuple[int, float]]:
        query = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question))
        return list(db.execute("select rowid, -bm25(w) from w where w match ? order by bm25(w) limit ?", (query, TOP)))

    return search


def dense(models: Models, windows: list[str], cache: Path) -> Callable[[str], list[tuple[int, float]]]:
    if not cache.exists():
        gists, scales = sentence_gists(models.core, windows, range(len(windows)))
        np.savez(cache, gists=gists.numpy(), scales=scales.numpy())
    saved = np.load(cache)
    gists, scales, owners = saved["gists"], saved["scales"], np.arange(len(windows))
    return lambda question: wake(question_gist(models.core, question), gists, scales, owners, TOP)


def retrieval(
    models: Models, search: Callable[[str], list[tuple[int, float]]], windows: list[str]
) -> Callable[[str], tuple[str | None, str]]:
    def answer(question: str) -> tuple[str | None, str]:
        found = search(question)
        passages = [Passage(windows[i], i, score) for i, score in found]
        reading = read_answer(models.core, question, passages)
        shown = " ".join(p.text for p in passages)
        if reading is None or reading.score < REFUSE_BELOW:
            return None, shown
        return answer_text(passages[reading.passage].text, reading), shown

    return answer


def memory(assistant: Assistant) -> Callable[[str], tuple[str | None, str]]:
    def answer(question: str) -> tuple[str | None, str]:
        runs = assistant.recall(question)
        return assistant.read(question, runs, time.monotonic()).answer, " ".join(run.text for run in runs)

    return answer


def measure(name: str, answer: Callable[[str], tuple[str | None, str]], records: list[dict], impossible: list[dict]) -> dict:
    scores = defaultdict(list)
    for record in records:
        begun = time.monotonic()
        said, shown = answer(record["question"])
        scores["seconds"].append(time.monotonic() - begun)
        scores["em"].append(best(exact_match, said or "", record["answers"]))
        scores["f1"].append(best(f1, said or "", record["answers"]))
        scores["shown"].append(any(" ".join(gold.split()) in " ".join(shown.split()) for gold in record["answers"]))
        scores["refused"].append(said is None)
    refused = [answer(record["question"])[0] is None for record in impossible]
    return {
        "pipeline": name,
        "EM": 100 * statistics.mean(scores["em"]),
        "F1": 100 * statistics.mean(scores["f1"]),
        "answer among what is read %": 100 * statistics.mean(scores["shown"]),
        "refused %": 100 * statistics.mean(scores["refused"]),
        "unanswerable refused %": 100 * statistics.mean(refused) if refused else float("nan"),
        "median seconds": statistics.median(scores["seconds"]),
    }


def ingest(documents: Path, home: Path) -> dict:
    """Memorize in a process of its own; its speed and peak memory."""
    if (home / "titans.db").exists():
        return json.loads((home.parent / "ingest.json").read_text())
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "titans_cli", "ingest", str(documents), "--home", str(home)], check=True, stdout=subprocess.PIPE, text=True
    )
    facts = {
        "ingest": done.stdout.strip(),
        "seconds": time.monotonic() - begun,
        "peak RAM MiB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
    (home.parent / "ingest.json").write_text(json.dumps(facts))
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--unanswerable", type=Path, help="questions that the passages do not answer")
    parser.add_argument("--distractors", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--count", type=int, default=400)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    with gzip.open(arguments.questions, "rt") as file:
        records = [json.loads(line) for line in file]
    impossible = []
    if arguments.unanswerable:
        with gzip.open(arguments.unanswerable, "rt") as file:
            impossible = random.Random(2).sample([json.loads(line) for line in file], arguments.count // 4)
    documents, home = arguments.work / "documents", arguments.work / "home"
    write_documents(records, arguments.distractors, documents, arguments.tokens)
    facts = ingest(documents, home)
    models = Models()
    windows = windows_of(documents)
    asked = random.Random(1).sample(records, min(arguments.count, len(records)))
    pipelines = {
        "memory": memory(Assistant(home, models)),
        "BM25, 8 windows": retrieval(models, bm25(windows), windows),
        "gist vectors, 8 windows": retrieval(
            models, dense(models, windows, arguments.work / f"dense-{models.fingerprint[:12]}.npz"), windows
        ),
    }
    rows = [measure(name, answer, asked, impossible) for name, answer in pipelines.items()]
    better = max(row["F1"] for row in rows[1:])
    report("docqa", rows, **facts, questions=len(asked), windows=len(windows), ratio=round(rows[0]["F1"] / better, 3))


if __name__ == "__main__":
    main()
