"""Recall alone: is the passage that answers among the first memories? Beside BM25 over passages, and sentence-by-sentence scores.

    python bench/recall.py --data FOLDER_OF_QA --distractors FOLDER_OF_TEXT_FOLDERS --work FOLDER [--tokens 850K] [--split dev]
        [--asked "as asked" keywords "typing error"]

FOLDER_OF_QA has qa_train/ and qa_dev/ with search_questions.jsonl.gz and squad11.jsonl.gz. Nothing is memorized: all passages of the search
questions (a document each) and articles of the others are cut into memories among other text and encoded, as ``titans ingest`` does,
and kept in WORK. A passage's rank is one more than the memories of other passages that score higher than its best sentence.
Asked as they are, as keywords alone, and with one typing error. Weights were chosen on the train parts; dev parts are for the record.
"""

import argparse
import gzip
import json
import random
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import torch
from common import parse_length, report

from ingest import Document, Source, segments
from ingest.types import Page
from model import (
    Encoder,
    SentenceVectors,
    Surroundings,
    correct_spelling,
    encode_question,
    encode_sentences,
    load_encoder,
    load_tokenizer,
    score_sentences,
)
from model.recall.word_filter import FUNCTION_WORDS
from model.training.corpus import load_texts

SEGMENT, GROUP = 128, 32
"""Most tokens of a memory, and memories encoded at once, as in ingest."""
LONGEST_OTHER = 100_000
"""Characters of another document."""
PARTS = (("train", "search_questions", 0, 0), ("dev", "search_questions", 0, 0), ("train", "squad11", 12, 300), ("dev", "squad11", 10, 150))
"""Split, file, articles and questions taken of it, 0 for all: of search questions each passage is a document."""
DEEPEST = 50
"""Rank from which BM25's is not looked for."""


@dataclass(frozen=True)
class Asked:
    part: str
    question: str
    passage: str


@dataclass(frozen=True)
class Text:
    name: str
    text: str
    passages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Index:
    vectors: SentenceVectors
    texts: list[str]
    names: list[str]
    owners: np.ndarray  # of each sentence
    documents: np.ndarray
    passages: np.ndarray  # number of its passage, −1 for none

    @property
    def starts(self) -> np.ndarray:
        """First memory of each document, and one past the last."""
        firsts = np.searchsorted(self.documents, np.arange(len(self.names)))
        return np.append(self.owners[firsts], self.owners[-1] + 1)


def questions(data: Path) -> tuple[list[Asked], list[Text]]:
    """What is asked, and the documents that answer."""
    asked: list[Asked] = []
    documents: dict[str, Text] = {}
    for split, name, articles, count in PARTS:
        with gzip.open(data / f"qa_{split}" / f"{name}.jsonl.gz", "rt") as file:
            records = [json.loads(line) for line in file]
        by_title: dict[str, dict[str, None]] = {}
        for record in records:
            by_title.setdefault(record["title"], {})[record["context"]] = None
        chosen = set(sorted(by_title)[:articles] if articles else by_title)
        for title in by_title:
            if title in chosen and articles:
                documents["\n\n".join(by_title[title])] = Text(title, "\n\n".join(by_title[title]), tuple(by_title[title]))
            elif title in chosen:
                documents |= {text: Text(title, text, (text,)) for text in by_title[title]}
        held = [record for record in records if record["title"] in chosen]
        for record in random.Random(1).sample(held, count) if count else held:
            asked.append(Asked(f"{name.split('_')[0]} {split}", record["question"], record["context"]))
    return asked, list(documents.values())


def others(folder: Path, tokens: int) -> Iterator[Text]:
    """Documents of other text, of so many tokens in all, none of an encyclopedia."""
    parts = load_texts(folder, held_out=True, limit=LONGEST_OTHER)
    for name, more in load_texts(folder, held_out=False, limit=LONGEST_OTHER).items():
        parts.setdefault(name, []).extend(more)
    found = [(name, text) for name, texts in parts.items() if name != "squad_wiki_articles" for text in texts]
    random.Random(0).shuffle(found)
    encode = load_tokenizer().encode_ordinary
    for name, text in found:
        if tokens <= 0:
            return
        tokens -= len(encode(text))
        yield Text(name, text)


def build(encoder: Encoder, documents: Sequence[Text], numbers: dict[str, int]) -> Index:
    """Sentences, memories and vectors of ``documents``; ``numbers`` are those of the passages."""
    tokenizer = load_tokenizer()
    parts: list[SentenceVectors] = []
    texts: list[str] = []
    places: list[tuple[int, int, int]] = []  # memory, document and passage of each sentence
    for number, document in enumerate(documents):
        spans, at = [], 0
        for passage in document.passages:
            at = document.text.index(passage, at)
            spans.append((at, at + len(passage), numbers[passage]))
        at = 0
        source = Document(Source(Path(document.name), document.name), "", 0, (Page(None, document.text),))
        stream = segments(source, tokenizer.encode_ordinary, SEGMENT)
        while group := list(islice(stream, GROUP)):
            first = len(texts)
            for segment in group:
                memory = places[-1][0] + 1 if places else 0
                for sentence in segment.sentences:
                    texts.append(tokenizer.decode(list(sentence)))
                    middle = at + len(texts[-1]) // 2
                    places.append((memory, number, next((n for low, high, n in spans if low <= middle < high), -1)))
                    at += len(texts[-1])
            parts.append(encode_sentences(encoder, texts[first:], [0] * (len(texts) - first)))
    owners, held, passages = np.array(places).T
    return Index(SentenceVectors.join(parts), texts, [d.name for d in documents], owners, held, passages)


def kept(work: Path, make: Callable[[], Index]) -> Index:
    """The index in ``work``, made when it is not there."""
    arrays, texts = work / "recall.npz", work / "recall.json"
    if not texts.exists():
        index = make()
        work.mkdir(parents=True, exist_ok=True)
        parts = {name: getattr(index.vectors, name) for name in ("vectors", "scales", "words")}
        np.savez(arrays, owners=index.owners, documents=index.documents, passages=index.passages, **parts)
        texts.write_text(json.dumps([index.texts, index.names]))
    held, (said, names) = np.load(arrays), json.loads(texts.read_text())
    vectors = SentenceVectors(held["vectors"], held["scales"], held["words"])
    return Index(vectors, said, names, held["owners"], held["documents"], held["passages"])


Ranker = Callable[[str, int], int]
"""The rank of a passage for a question."""


def bm25(index: Index) -> Ranker:
    """Over passages, and the memories of other text."""
    units: dict[tuple[bool, int], list[str]] = {}
    for text, passage, memory in zip(index.texts, index.passages.tolist(), index.owners.tolist(), strict=True):
        units.setdefault((True, passage) if passage >= 0 else (False, memory), []).append(text)
    keys = list(units)
    db = sqlite3.connect(":memory:")
    db.execute("create virtual table w using fts5(text, tokenize='porter unicode61')")
    db.executemany("insert into w(rowid, text) values (?, ?)", ((i, "".join(units[key])) for i, key in enumerate(keys)))

    def rank(question: str, passage: int) -> int:
        query = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question))
        rows = db.execute("select rowid from w where w match ? order by bm25(w) limit ?", (query, DEEPEST))
        found = [keys[row] for (row,) in rows]
        return found.index((True, passage)) + 1 if (True, passage) in found else DEEPEST + 1

    return rank


def by_scores(index: Index, score: Callable[[str], np.ndarray]) -> Ranker:
    def rank(question: str, passage: int) -> int:
        scores, right = score(question), index.passages == passage
        return len(np.unique(index.owners[(scores > scores[right].max()) & ~right])) + 1

    return rank


def rankers(encoder: Encoder, index: Index) -> dict[str, Ranker]:
    encode = lru_cache(maxsize=None)(partial(encode_question, encoder))

    def with_names(names: Sequence[str]) -> Callable[[str], np.ndarray]:
        surroundings = Surroundings.of(index.owners, index.starts, names)

        def score(question: str) -> np.ndarray:
            text = correct_spelling(question, index.vectors)
            corrected = encode(text) if text != question else None
            return score_sentences(encode(question), index.vectors, surroundings, corrected)

        return score

    return {
        "BM25 over passages": bm25(index),
        "sentence by sentence": by_scores(index, lambda question: score_sentences(encode(question), index.vectors)),
        "with surroundings": by_scores(index, with_names([""] * len(index.names))),
        "and documents' names": by_scores(index, with_names(index.names)),
    }


def keywords(question: str) -> str:
    return " ".join(word for word in re.findall(r"\w+", question.lower()) if word not in FUNCTION_WORDS)


def with_typing_error(question: str) -> str:
    """A letter less, two in the other order, another one or one twice, in a longer word."""
    rng = random.Random(question)
    words = [word for word in re.findall(r"[a-z]+", question.lower()) if len(word) >= 5 and word not in FUNCTION_WORDS]
    if not words:
        return question
    word = rng.choice(words)
    at = rng.randrange(1, len(word) - 1)
    before, letter, behind = word[:at], word[at], word[at + 1 :]
    errors = (
        before + behind,
        before + behind[0] + letter + behind[1:],
        before + rng.choice(ascii_lowercase) + behind,
        before + letter * 2 + behind,
    )
    return question.lower().replace(word, rng.choice(errors), 1)


ASKED_AS: dict[str, Callable[[str], str]] = {"as asked": str, "keywords": keywords, "typing error": with_typing_error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--distractors", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tokens", type=parse_length, default=850_000)
    parser.add_argument("--asked", nargs="+", choices=ASKED_AS, default=list(ASKED_AS))
    parser.add_argument("--split", choices=("train", "dev"), help="questions of this part alone")
    options = parser.parse_args()
    encoder = load_encoder(torch.device("cpu"))
    asked, documents = questions(options.data)
    numbers = {passage: i for i, passage in enumerate(dict.fromkeys(p for d in documents for p in d.passages))}
    index = kept(options.work, lambda: build(encoder, [*documents, *others(options.distractors, options.tokens)], numbers))
    rows, ranked = [], rankers(encoder, index)
    for way in options.asked:
        for name, rank in ranked.items():
            ranks: dict[str, list[int]] = {}
            for one in asked:
                if options.split and not one.part.endswith(options.split):
                    continue
                ranks.setdefault(one.part, []).append(rank(ASKED_AS[way](one.question), numbers[one.passage]))
            shares = {f"{part} @{k}": 100 * np.mean(np.array(found) <= k) for part, found in ranks.items() for k in (1, 5, 12)}
            rows.append({"asked": way, "by": name} | {key: round(float(share), 1) for key, share in shares.items()})
            print(json.dumps(rows[-1]), flush=True)
    report("recall", rows, sentences=len(index.texts), memories=int(index.owners[-1]) + 1, passages=len(numbers))


if __name__ == "__main__":
    main()
