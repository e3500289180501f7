"""Promise P2: memorize held-out text, recite all of it with no text in hand, compare.

    python bench/recite.py --data FOLDER_OF_TEXT_FOLDERS [--tokens 200000] [--kinds prose manuals code tables]

The folders are those of shared training text; only files that no training saw are used (model/training/corpus.py).
"""

import argparse
import random
import time
from pathlib import Path

import torch
from common import report

from ingest import Document, Page, Source, segments
from model import load_memorizer, load_tokenizer, memorize, recite
from model.training.corpus import PROSE, load_texts, number_table

GROUP = 128


def texts_of(kind: str, data: Path) -> list[str]:
    """Held-out texts, or tables made with a seed that training does not use."""
    rng = random.Random(20_000)
    if kind == "tables":
        return [number_table(rng) for _ in range(400)]
    texts = load_texts(data, held_out=True)
    manuals = {"postgresql-doc_txt", "python3-doc_txt", "git-doc_txt", "perl-doc_pod", "apache2-doc_txt", "debian-handbook_txt"}
    folders = {"prose": set(PROSE), "manuals": manuals, "code": {"code"}, "papers": {"plos_txt"}}[kind]
    chosen = [text for folder in sorted(folders) for text in texts[folder]]
    rng.shuffle(chosen)
    return chosen


def measure(kind: str, data: Path, wanted: int) -> dict:
    memorizer, tokenizer = load_memorizer(torch.device("cpu")), load_tokenizer()
    memory = memorizer.config.memory
    tokens = memories = exact = written_bytes = characters = 0
    write_seconds = recite_seconds = 0.0
    for number, text in enumerate(texts_of(kind, data)):
        document = Document(Source(Path(str(number)), str(number)), "", 0, (Page(None, text),))
        pending = list(segments(document, tokenizer.encode_ordinary, memorizer.config.segment))
        for first in range(0, len(pending), GROUP):
            if tokens >= wanted:
                break
            group = [[list(s) for s in segment.sentences] for segment in pending[first : first + GROUP]]
            begun = time.monotonic()
            made = memorize(memorizer, tokenizer, group)
            between = time.monotonic()
            rows = []
            for part in range(0, len(made), 16):
                some = made[part : part + 16]
                rows += recite(memorizer, [m.weights for m in some], torch.stack([m.scale for m in some]), [len(m.tokens) for m in some])
            recite_seconds += time.monotonic() - between
            write_seconds += between - begun
            exact += sum(tuple(row) == m.tokens for row, m in zip(rows, made, strict=True))
            memories += len(made)
            tokens += sum(len(m.tokens) for m in made)
            characters += sum(len(tokenizer.decode(m.tokens)) for m in made)
            written_bytes += sum(m.weights.nbytes + m.scale.nbytes + 1 for m in made)  # one byte says how many rows
    return {
        "kind": kind,
        "tokens": tokens,
        "memories": memories,
        "recited exactly": exact / memories,
        "tokens/memory": tokens / memories,
        "bytes/token": written_bytes / tokens,
        "bytes/character": written_bytes / characters,
        "bits": memory.bits,
        "write+check tokens/s": tokens / write_seconds,
        "recite tokens/s": tokens / recite_seconds,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--kinds", nargs="+", default=["prose", "manuals", "code", "papers", "tables"])
    arguments = parser.parse_args()
    report("recite", [measure(kind, arguments.data, arguments.tokens) for kind in arguments.kinds])
