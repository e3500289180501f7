"""Promise P4: ingest beside the core's own encoding in one run, and ask times on a given store.

python bench/speed.py --documents FOLDER --home HOME [--tokens 60000]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from common import report

from ingest import find_sources, read_document
from ingest.sentences import sentence_spans
from model import encode_sentences
from titans_cli.models import Models
from titans_cli.services.ingest.request import Unheard
from titans_cli.services.ingest.run import ingest

QUESTIONS = [
    "What is this about?",
    "Who wrote it?",
    "When was the tower built?",
    "Which option lists all files?",
    "How does the story end?",
]


def encoding_speed(models: Models, text: str) -> float:
    """Tokens a second when the core alone makes gists; tokens are the memorizer's, as in ingest."""
    sentences = [text[a:b] for a, b in sentence_spans(text)]
    begun = time.monotonic()
    encode_sentences(models.encoder, sentences, [0] * len(sentences))
    return len(models.tokenizer.encode_ordinary(text)) / (time.monotonic() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=60_000)
    arguments = parser.parse_args()
    models = Models()
    text = ""
    for source in find_sources([arguments.documents])[0]:
        text += "\n\n".join(page.text for page in read_document(source).pages)
        if len(text) > 4.5 * arguments.tokens:
            break
    text = text[: int(4.5 * arguments.tokens)]
    encoding_speed(models, text[:20_000])
    speeds, ratios = [], []
    for repeat in range(3):
        with TemporaryDirectory() as folder:
            (Path(folder) / "a.txt").write_text(text + str(repeat))
            result = ingest(Path(folder) / "home", models, [Path(folder) / "a.txt"], Unheard())
        encoded = encoding_speed(models, text)
        speeds.append((result.did.tokens / result.seconds, encoded))
        ratios.append(result.did.tokens / result.seconds / encoded)
    command = [sys.executable, "-m", "titans_cli", "ask", "--json", "--home", str(arguments.home)]
    cold = []
    for question in QUESTIONS[:3]:
        begun = time.monotonic()
        subprocess.run([*command, question], check=True, stdout=subprocess.DEVNULL)
        cold.append(time.monotonic() - begun)
    lines = subprocess.run(
        [*command, "--questions", "-"], input="\n".join(QUESTIONS * 5), check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    warm = [json.loads(line)["elapsed_ms"] / 1000 for line in lines.splitlines()][5:]
    row = {
        "ingest tokens/s": statistics.median(s for s, _ in speeds),
        "encoding tokens/s": statistics.median(e for _, e in speeds),
        "ratio": statistics.median(ratios),
        "ask cold s": statistics.median(cold),
        "ask warm s": statistics.median(warm),
    }
    report("speed", [row])


if __name__ == "__main__":
    main()
