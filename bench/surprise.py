"""What titans surprise tells of documents that are memorized, memorized and then edited, paraphrased, and never read.

    titans ingest READ --home HOME
    python bench/surprise.py --home HOME --read READ --unread UNREAD [--count 40]
        [--work WORK --originals squad_train_nqg44.jsonl.gz --paraphrases squad_train_silver.jsonl.gz]

READ and UNREAD are folders of text of the same kinds. Of each document the first 30,000 characters are looked at. A fifth of an edited
document's sentences are edited: a word is replaced by another of the corpus, one to three are put in, or one to three taken out.
Measures that were considered are compared: the area under the curve that tells edited from untouched and read from unread sentences.
Paraphrases are questions that were translated there and back; those of 300 memorized questions are told from those of 300 others.
"""

import argparse
import gzip
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from common import memorize, report

from ingest import Document, Page, Source, read_document
from ingest.sentences import sentence_spans
from model.memorizer.quantization import dequantize, unpack
from titans_cli.models import Models
from titans_cli.services.ingest.request import Unheard
from titans_cli.services.novelty.align import items_of
from titans_cli.services.novelty.report import NoveltyReader, Surprise
from titans_cli.services.novelty.score import KINDS, PARTLY
from titans_cli.store import Store, open_index

LONGEST = 30_000
EDITED = 0.2


@dataclass(frozen=True)
class Edit:
    """Characters of the edited text that are new, and those of its sentence; an empty span is a place where words were taken out."""

    kind: str
    start: int
    end: int
    sentence: tuple[int, int]


@dataclass
class Group:
    """Sentences of one kind of document."""

    looked: list[Surprise] = field(default_factory=list)
    edits: list[list[Edit]] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0


def beginnings(folder: Path, count: int) -> list[tuple[str, str]]:
    """Names and first characters, up to the end of a sentence, of ``count`` documents spread over the folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    random.Random(1).shuffle(files)
    found = []
    for path in files[:count]:
        text = read_document(Source(path, path.name)).pages[0].text
        if len(text) > LONGEST:
            text = text[: max(end for _, end in sentence_spans(text[:LONGEST])[:-1])]
        found.append((path.name, text))
    return found


def edit(text: str, pool: list[str], rng: random.Random) -> tuple[str, list[Edit]]:
    """``text`` with a fifth of its sentences edited."""
    made, edits, length = [], [], 0
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        items = items_of(sentence)
        inner = [i for i in range(2, len(items.spans) - 3) if all(items.wordy[i - 1 : i + 4]) and len(items.forms[i]) > 3]
        if len(items.spans) < 10 or not inner or rng.random() >= EDITED:
            made.append(sentence)
            length += len(sentence)
            continue
        at, kind = rng.choice(inner), rng.choice(["replaced", "put in", "taken out"])
        some = rng.randint(1, 3)
        words = [w for w in rng.sample(pool, 40) if w.lower() not in items.forms][:some]
        first, last = items.spans[at]
        if kind == "replaced":
            new, behind = words[0], last
        elif kind == "put in":
            new, behind = " ".join(words) + " ", first
        else:
            new, behind = "", items.spans[at + some][0]
        edited = sentence[:first] + new + sentence[behind:]
        edits.append(Edit(kind, length + first, length + first + len(new.rstrip()), (length, length + len(edited))))
        made.append(edited)
        length += len(edited)
    return "".join(made), edits


def look(reader: NoveltyReader, group: Group, name: str, text: str, edits: list[Edit]) -> None:
    document = Document(Source(Path(name), name), "", len(text), (Page(None, text),))
    begun = time.monotonic()
    group.looked.append(reader.report(document, Unheard(), begun))
    group.seconds += time.monotonic() - begun
    group.tokens += len(reader.models.tokenizer.encode_ordinary(text))
    group.edits.append(edits)


def placed(group: Group) -> Iterator[tuple[Surprise, int, int, list[Edit]]]:
    """Each sentence of a group: where it was told, its number, its first character, and the edits in it."""
    for looked, edits in zip(group.looked, group.edits, strict=True):
        at = 0
        for number, sentence in enumerate(looked.sentences):
            end = at + len(sentence.text)
            yield looked, number, at, [e for e in edits if at <= e.start < end]
            at = end


def auc(positive: list[float], negative: list[float]) -> float:
    """The chance that a positive one is greater than a negative one, ties half."""
    if not positive or not negative:
        return float("nan")
    everything = np.array([*positive, *negative])
    order = np.argsort(everything, kind="stable")
    values, ranks = everything[order], np.empty(len(everything))
    first = 0
    while first < len(values):
        last = int(np.searchsorted(values, values[first], "right"))
        ranks[order[first:last]] = (first + last + 1) / 2
        first = last
    n = len(positive)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * len(negative)))


@torch.inference_mode()
def with_memory(reader: NoveltyReader, text: str, memory: int, sentence: int) -> tuple[float, float]:
    """The paper's own measure: nats of a sentence without and with a memory, read in the place of its most alike sentence."""
    models, index = reader.models, reader.index
    network, tokenizer = models.memorizer, models.tokenizer
    stored = index.read([memory])
    recited = tokenizer.encode_ordinary(reader.recited[memory].text)
    inside = sentence - int(np.searchsorted(index.owners, memory))
    before = recited[: sum(stored.sentences[0][:inside])]
    row = (before + tokenizer.encode_ordinary(text))[: network.config.segment]
    if len(row) == len(before):
        return 1.0, 1.0
    lesson = network.study(torch.tensor([row]), torch.tensor([len(row)]))
    config = network.config.memory
    table = torch.zeros(1, config.rows, config.value)
    packed = torch.tensor(stored.weights[0])
    table[0, : len(packed)] = dequantize(unpack(packed, config.bits)[None], torch.tensor(stored.scales[:1]), config.bits)[0]
    reads = network.memory.read(network.keys(lesson.features, torch.tensor([len(packed)])), table)
    by_class = network.by_class(lesson.places)
    recited_logits = network.recited(lesson, reads, by_class, network.corrections())
    nats = []
    for logits in ((lesson.class_logits, lesson.member_logits), recited_logits):
        nats.append(float(network.surprise(lesson.places, *logits, by_class)[2].sum(-1)[0, len(before) :].sum()))
    return nats[0], nats[1]


def measures(reader: NoveltyReader, group: Group, most: int) -> list[tuple[dict[str, float], bool]]:
    """Every measure of the first sentences of each document of a group, and whether the sentence was edited."""
    told = []
    for looked, number, _, edits in placed(group):
        sentence = looked.sentences[number]
        if number >= most or sentence.nearest is None:
            continue
        memory = int(reader.index.owners[sentence.nearest])
        reader.recite({memory})
        without, with_ = with_memory(reader, sentence.text, memory, sentence.nearest)
        told.append(
            (
                {
                    "surprise": sentence.surprise,
                    "wording alone": sentence.wording,
                    "1 − cosine": 1 - sentence.likeness,
                    "nats with ÷ without memory": with_ / max(without, 1e-6),
                    "nats without memory": without,
                },
                bool(edits),
            )
        )
    return told


def row_of(name: str, group: Group) -> dict:
    sentences = [s for looked in group.looked for s in looked.sentences]
    return {
        "text": name,
        "documents": len(group.looked),
        "sentences": len(sentences),
        "mean surprise": float(np.mean([s.surprise for s in sentences])),
        **{kind: sum(s.kind == kind for s in sentences) / len(sentences) for kind in KINDS},
        "tokens": group.tokens,
        "seconds": group.seconds,
        "tokens/s": group.tokens / group.seconds,
    }


def edits_found(group: Group) -> dict[str, float]:
    """Precision and recall of edited sentences and of new words, and recall of words taken out."""
    flagged = right = edited = marked = hit = wanted = out = out_found = out_exact = 0
    by_kind: dict[str, list[bool]] = {}
    for looked, number, at, edits in placed(group):
        sentence = looked.sentences[number]
        told = sentence.kind != "verbatim"
        flagged, edited, right = flagged + told, edited + bool(edits), right + (told and bool(edits))
        for e in edits:
            by_kind.setdefault(e.kind, []).append(told)
        spans = [(at, at + len(sentence.text))] if told and sentence.kind != "partly" else [(at + a, at + b) for a, b in sentence.new]
        for start, end in items_of(sentence.text).spans:
            is_marked = any(a <= at + start and at + end <= b for a, b in spans)
            is_new = any(e.start <= at + start and at + end <= e.end for e in edits)
            marked, wanted, hit = marked + is_marked, wanted + is_new, hit + (is_marked and is_new)
        for e in edits:
            if e.start == e.end:
                out += 1
                out_found += bool(sentence.missing)
                out_exact += any(not sentence.text[m.at : e.start - at].strip() for m in sentence.missing if at + m.at <= e.start)
    return {
        "edited sentences": edited,
        "sentences precision": right / max(1, flagged),
        "sentences recall": right / max(1, edited),
        **{f"recall, {kind}": float(np.mean(found)) for kind, found in sorted(by_kind.items())},
        "new words": wanted,
        "words precision": hit / max(1, marked),
        "words recall": hit / max(1, wanted),
        "words taken out": out,
        "told as missing": out_found / max(1, out),
        "told at the very place": out_exact / max(1, out),
    }


def questions_of(path: Path) -> dict[tuple[str, str], str]:
    """Questions by their passage and answer, written alike."""
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    found = {}
    for row in rows:
        text = row["question"].strip().rstrip("?").strip()
        if row["answers"] and len(text.split()) >= 5:
            found.setdefault((row["context"], row["answers"][0]), text[0].upper() + text[1:] + "?")
    return found


def paraphrased(models: Models, originals: Path, paraphrases: Path, work: Path) -> tuple[list[dict], list[dict]]:
    """Rows of paraphrases of memorized questions and of others, and the measures that tell them apart."""
    first, second = questions_of(originals), questions_of(paraphrases)
    keys = [key for key in first if key in second and items_of(first[key]).forms != items_of(second[key]).forms]
    random.Random(3).shuffle(keys)
    known, others = keys[:300], keys[300:600]
    work.mkdir(parents=True, exist_ok=True)
    (work / "questions.txt").write_text("\n\n".join(first[key] for key in known) + "\n")
    memorize(work / "questions.txt", work / "home")
    with Store.open(work / "home") as store:
        reader = NoveltyReader(models, open_index(store, store.require_head(models.fingerprint)))
    groups = {"paraphrases": known, "paraphrases of others": others}
    told = {}
    for name, chosen in groups.items():
        told[name] = Group()
        look(reader, told[name], name, "\n\n".join(second[key] for key in chosen) + "\n", [])
    mine, theirs = ([s for looked in group.looked for s in looked.sentences] for group in told.values())
    measures = {"surprise": lambda s: s.surprise, "wording alone": lambda s: s.wording, "1 − cosine": lambda s: 1 - s.likeness}
    compared = [{"measure": name, "AUC paraphrases": auc([of(s) for s in theirs], [of(s) for s in mine])} for name, of in measures.items()]
    for share in (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85):
        hits, false = (np.mean([s.likeness >= share for s in one]) for one in (mine, theirs))
        compared.append({"measure": f"cosine ≥ {share}: paraphrases, others", "AUC paraphrases": f"{hits:.3f} {false:.3f}"})
    return [row_of(name, group) for name, group in told.items()], compared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("home", "read", "unread"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--measured", type=int, default=40, help="sentences of each document for the comparison of measures")
    for name in ("work", "originals", "paraphrases"):
        parser.add_argument(f"--{name}", type=Path)
    arguments = parser.parse_args()
    models = Models()
    with Store.open(arguments.home) as store:
        index = open_index(store, store.require_head(models.fingerprint))
    reader = NoveltyReader(models, index)
    models.load()
    groups = {"memorized": Group(), "edited": Group(), "never read": Group()}
    read, unread = beginnings(arguments.read, arguments.count), beginnings(arguments.unread, arguments.count)
    pool = sorted({w for _, text in read + unread for w in items_of(text).text.split() if w.isalpha() and len(w) > 4})
    rng = random.Random(0)
    for name, text in read:
        look(reader, groups["memorized"], name, text, [])
    for name, text in read:
        look(reader, groups["edited"], name, *edit(text, pool, rng))
    for name, text in unread:
        reader.recited.clear()
        look(reader, groups["never read"], name, text, [])
    told = {name: measures(reader, group, arguments.measured) for name, group in groups.items()}
    compared = []
    for measure in told["memorized"][0][0]:
        touched = [values[measure] for values, edited in told["edited"] if edited]
        untouched = [values[measure] for values, edited in told["edited"] if not edited]
        fresh, known = ([values[measure] for values, _ in told[name]] for name in ("never read", "memorized"))
        compared.append({"measure": measure, "AUC edited": auc(touched, untouched), "AUC never read": auc(fresh, known)})
    report("surprise measures", compared)
    likely = [s.likeness for looked in groups["never read"].looked for s in looked.sentences if s.wording > PARTLY]
    facts = edits_found(groups["edited"])
    rows = [row_of(name, group) for name, group in groups.items()]
    if arguments.paraphrases:
        more, told_apart = paraphrased(models, arguments.originals, arguments.paraphrases, arguments.work)
        report("surprise paraphrases", told_apart)
        rows += more
    shares = {f"likeness of new sentences, {q} %": float(np.percentile(likely, q)) for q in (5, 50, 95, 99)}
    report("surprise", rows, **facts, **shares, sentences_in_memory=len(index.vectors))


if __name__ == "__main__":
    main()
