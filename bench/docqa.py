"""Promise P3: questions about memorized documents, beside retrieval of text with the same reader.

    python bench/docqa.py --questions squad11.jsonl.gz --unanswerable squad20_unanswerable.jsonl.gz --never tatqa_text.jsonl.gz
        --distractors FOLDER_OF_TEXT_FOLDERS --work FOLDER [--sizes 100K 1M 10M] [--corpora plain duplicates edited] [--count 240]

Writes every article of the questions (its passages in order) and enough other documents into a folder of WORK, memorizes them
(kept and reused), and asks. ``duplicates`` holds each article five times; ``edited`` in ten versions, in which sentences that
answer nothing were changed here and there. ``--never`` are questions about things that were never read. The baselines keep the
text: windows of 256 tokens, the best eight by BM25 (SQLite FTS5), by gist vectors of the windows, and by both (reciprocal ranks).
"""

import argparse
import gzip
import json
import random
import re
import sqlite3
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from common import RESULTS, memorize, parse_length, report

from ingest.sentences import sentence_spans
from model import Passage, SentenceVectors, encode_question, encode_sentences, load_tokenizer, read_answers
from model.recall.search import similarities
from model.training.corpus import load_texts
from model.training.scoring import best, exact_match, f1
from titans_cli.models import Models
from titans_cli.services.ask.answer import Assistant, answer_text

WINDOW, TOP = 256, 8
COPIES = {"plain": 1, "duplicates": 5, "edited": 10}
REFUSE_BELOW = 0.0
"""Logits above "nothing" that an answer read in retrieved windows needs."""
EDITED = 0.15
"""Share of sentences that an edited version changes."""


@dataclass(frozen=True)
class Said:
    """What a pipeline answers, how sure it is, and the text it read, best first."""

    answer: str | None
    confidence: float
    shown: Sequence[str]


Pipeline = Callable[[str], Said]


def articles_of(records: Iterable[dict]) -> dict[str, dict[str, set[str]]]:
    """Passages of each article, with the answers that stand in them."""
    articles: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        articles[record["title"]][record["context"]] |= set(record["answers"])
    return articles


def edit(passage: str, answers: set[str], rng: random.Random) -> str:
    """The passage with some sentences shortened by a word or with two words swapped, unless they hold an answer."""
    result = []
    for first, after in sentence_spans(passage):
        sentence = passage[first:after]
        parts = sentence.split(" ")
        if rng.random() < EDITED and len(parts) > 5 and not any(answer in sentence for answer in answers):
            at = rng.randrange(1, len(parts) - 2)
            if rng.random() < 0.5:
                del parts[at]
            else:
                parts[at], parts[at + 1] = parts[at + 1], parts[at]
        result.append(" ".join(parts))
    return "".join(result)


def write_documents(records: list[dict], distractors: Path, folder: Path, corpus: str, wanted: int) -> None:
    """One file an article and version, and other documents up to ``wanted`` tokens in all."""
    if folder.exists():
        return
    encode, rng, taken = load_tokenizer().encode_ordinary, random.Random(5), 0
    folder.mkdir(parents=True)
    for title, passages in articles_of(records).items():
        for version in range(COPIES[corpus]):
            texts = [edit(p, answers, rng) if corpus == "edited" and version else p for p, answers in passages.items()]
            text = "\n\n".join(texts)
            (folder / f"article-{re.sub(r'[^A-Za-z0-9]+', '_', title)}-{version}.txt").write_text(text)
            taken += len(encode(text))
    parts = load_texts(distractors, held_out=True)
    for name, more in load_texts(distractors, held_out=False, limit=200_000).items():
        parts.setdefault(name, []).extend(more)
    others = [(name, text) for name, texts in parts.items() if name != "squad_wiki_articles" for text in texts]
    random.Random(0).shuffle(others)
    for number, (name, text) in enumerate(others):
        if taken >= wanted:
            return
        tokens = encode(text[:200_000])
        kept = text[:200_000] if len(tokens) <= wanted - taken else text[: 200_000 * (wanted - taken) // len(tokens)]
        (folder / f"other-{name}-{number}.txt").write_text(kept)
        taken += len(encode(kept))
    if taken < 0.98 * wanted:
        raise SystemExit(f"There are only {taken} tokens of documents.")


def windows_of(folder: Path) -> list[str]:
    """All text in windows of ``WINDOW`` tokens, none across documents."""
    tokenizer = load_tokenizer()
    result = []
    for path in sorted(folder.glob("*.txt")):
        tokens = tokenizer.encode_ordinary(path.read_text())
        result += [tokenizer.decode(tokens[i : i + WINDOW]) for i in range(0, len(tokens), WINDOW)]
    return result


Search = Callable[[str, int], list[tuple[int, float]]]
"""The best windows of a question, with their scores."""


def bm25(windows: list[str]) -> Search:
    db = sqlite3.connect(":memory:")
    db.execute("create virtual table w using fts5(text, tokenize='porter unicode61')")
    db.executemany("insert into w(rowid, text) values (?, ?)", enumerate(windows))

    def search(question: str, count: int) -> list[tuple[int, float]]:
        query = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question))
        return list(db.execute("select rowid, -bm25(w) from w where w match ? order by bm25(w) limit ?", (query, count)))

    return search


def dense(models: Models, windows: list[str], cache: Path) -> Search:
    if cache.exists():
        gists = SentenceVectors(**torch.load(cache, weights_only=False))
    else:
        gists = encode_sentences(models.encoder, windows, range(len(windows)))
        torch.save(vars(gists), cache)

    def search(question: str, count: int) -> list[tuple[int, float]]:
        scores = torch.from_numpy(similarities(encode_question(models.encoder, question).vector[None], gists))
        top, places = scores.topk(min(count, len(scores)))
        return list(zip(places.tolist(), top.tolist(), strict=True))

    return search


def both(first: Search, second: Search) -> Search:
    """Reciprocal rank fusion (Cormack et al. 2009) of two searches."""

    def search(question: str, count: int) -> list[tuple[int, float]]:
        fused: dict[int, float] = defaultdict(float)
        for one in (first, second):
            for rank, (window, _) in enumerate(one(question, 50)):
                fused[window] += 1 / (60 + rank)
        return sorted(fused.items(), key=lambda pair: -pair[1])[:count]

    return search


def retrieval(models: Models, search: Search, windows: list[str]) -> Pipeline:
    def answer(question: str) -> Said:
        found = search(question, TOP)
        passages = [Passage(windows[i], i, -rank / 1e6) for rank, (i, _) in enumerate(found)]  # their order, without a prior
        shown = [p.text for p in passages]
        readings = read_answers(models.reader, question, passages)
        if not readings or readings[0].score < REFUSE_BELOW:
            return Said(None, 0.0, shown)
        return Said(answer_text(passages[readings[0].passage].text, readings[0]), readings[0].confidence, shown)

    return answer


def memory(assistant: Assistant) -> Pipeline:
    def answer(question: str) -> Said:
        retrieval = assistant.retriever.retrieve(question)
        said = assistant.read(question, retrieval, time.monotonic())
        return Said(said.answer, said.confidence, [run.text for run in retrieval.runs])

    return answer


def calibration_error(confidences: Sequence[float], right: Sequence[float], bins: int = 10) -> float:
    """Expected calibration error: mean distance of confidence and share right over equal bins, weighted by their size."""
    total = 0.0
    for number in range(bins):
        inside = [i for i, c in enumerate(confidences) if number <= min(c * bins, bins - 1e-9) < number + 1]
        if inside:
            gap = statistics.mean(confidences[i] for i in inside) - statistics.mean(right[i] for i in inside)
            total += abs(gap) * len(inside)
    return total / max(1, len(confidences))


def measure(name: str, answer: Pipeline, records: list[dict], impossible: list[dict], never: list[dict]) -> dict:
    scores = defaultdict(list)
    answered = []
    for record in records:
        begun = time.monotonic()
        said = answer(record["question"])
        scores["seconds"].append(time.monotonic() - begun)
        scores["em"].append(best(exact_match, said.answer or "", record["answers"]))
        scores["f1"].append(best(f1, said.answer or "", record["answers"]))
        for depth in (1, 5):
            text = " ".join(" ".join(said.shown[:depth]).split())
            scores[f"recall {depth}"].append(any(" ".join(gold.split()) in text for gold in record["answers"]))
        scores["refused"].append(said.answer is None)
        if said.answer is not None:
            answered.append((said.confidence, scores["em"][-1]))
    refused = {"unanswerable": [answer(r["question"]).answer is None for r in impossible]}
    refused["never read"] = [answer(r["question"]).answer is None for r in never]
    refusals = sum(scores["refused"]) + sum(sum(kind) for kind in refused.values())
    rightly = sum(sum(kind) for kind in refused.values())
    return {
        "pipeline": name,
        "EM": 100 * statistics.mean(scores["em"]),
        "F1": 100 * statistics.mean(scores["f1"]),
        "evidence @1": 100 * statistics.mean(scores["recall 1"]),
        "evidence @5": 100 * statistics.mean(scores["recall 5"]),
        "refused %": 100 * statistics.mean(scores["refused"]),
        **{f"{kind} refused %": 100 * statistics.mean(which) if which else float("nan") for kind, which in refused.items()},
        "refusal precision %": 100 * rightly / refusals if refusals else float("nan"),
        "calibration error": calibration_error(*zip(*answered, strict=True)) if answered else float("nan"),
        "median seconds": statistics.median(scores["seconds"]),
    }


def ingest(documents: Path, home: Path) -> dict:
    """Memorize, unless this was done before; its speed and peak memory."""
    kept = home.with_name(f"{home.name}.json")
    if not ((home / "titans.db").exists() and kept.exists()):
        kept.write_text(json.dumps(memorize(documents, home)))
    return json.loads(kept.read_text())


def read_questions(path: Path | None) -> list[dict]:
    if path is None:
        return []
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def draw(rows: list[dict], picture: Path) -> None:
    import matplotlib.pyplot as plt

    corpora = list(dict.fromkeys((row["corpus"], row["size"]) for row in rows))
    names = list(dict.fromkeys(row["pipeline"] for row in rows))
    figure, axis = plt.subplots(figsize=(2 + 1.8 * len(corpora), 3.6))
    for offset, name in enumerate(names):
        heights = [row["F1"] for row in rows if row["pipeline"] == name]
        places = [i + offset / (len(names) + 1) for i in range(len(heights))]
        axis.bar_label(axis.bar(places, heights, 1 / (len(names) + 1.5), label=name), fmt="%.0f", fontsize=8)
    axis.set_xticks([i + 0.5 * (len(names) - 1) / (len(names) + 1) for i in range(len(corpora))], [f"{c}, {s}" for c, s in corpora])
    axis.set_ylabel("F1")
    axis.legend(fontsize=8, ncols=2)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--unanswerable", type=Path, help="questions that the passages do not answer")
    parser.add_argument("--never", type=Path, help="questions about things that were never read")
    parser.add_argument("--distractors", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", default=["1M"])
    parser.add_argument("--corpora", nargs="+", choices=list(COPIES), default=["plain"])
    parser.add_argument("--count", type=int, default=240)
    arguments = parser.parse_args()
    records = read_questions(arguments.questions)
    few = arguments.count // 4
    impossible, never = (
        random.Random(2).sample(read, min(few, len(read))) for read in map(read_questions, (arguments.unanswerable, arguments.never))
    )
    asked = random.Random(1).sample(records, min(arguments.count, len(records)))
    models, rows, ingested = Models(), [], {}
    for corpus in arguments.corpora:
        for size in arguments.sizes:
            work = arguments.work / f"{corpus}-{size}"
            home = work / f"home-{models.fingerprint[:8]}"
            write_documents(records, arguments.distractors, work / "documents", corpus, parse_length(size))
            ingested[f"{corpus} {size}"] = ingest(work / "documents", home)
            windows = windows_of(work / "documents")
            words, vectors = bm25(windows), dense(models, windows, work / f"dense-{models.fingerprint[:8]}.pt")
            pipelines = {
                "memory": memory(Assistant(home, models)),
                "BM25": retrieval(models, words, windows),
                "gist vectors": retrieval(models, vectors, windows),
                "BM25 + gist vectors": retrieval(models, both(words, vectors), windows),
            }
            of_corpus = [measure(name, answer, asked, impossible, never) for name, answer in pipelines.items()]
            better = max(row["F1"] for row in of_corpus[1:])
            rows += [{"corpus": corpus, "size": size, **row, "F1 / best retrieval": row["F1"] / better} for row in of_corpus]
            report("docqa", rows, ingested=ingested, questions=len(asked))
    draw(rows, RESULTS / "docqa.png")


if __name__ == "__main__":
    main()
