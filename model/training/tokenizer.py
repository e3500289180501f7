"""Train the byte-level BPE and write it as a tiktoken rank file.

python -m model.training.tokenizer --data TEXT_FOLDER --out model/weights/bpe32k.tiktoken
"""

import argparse
import base64
import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from model.memorizer.tokenizer import PATTERN, VOCABULARY
from model.training.corpus import load_texts, number_table

__all__ = ["train"]


def unicode_to_byte() -> dict[str, int]:
    """The printable stand-ins that byte-level BPE files use for bytes (GPT-2's table), reversed."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(b): b for b in printable}
    spare = 256
    for b in range(256):
        if b not in printable:
            table[chr(spare)] = b
            spare += 1
    return table


def train(data: Path, out: Path, pattern: str = PATTERN, characters_per_folder: int = 12_000_000) -> None:
    """Train on at most ``characters_per_folder`` of each folder of ``data`` and write ``out``."""
    rng = random.Random(0)
    pieces = [number_table(rng) for _ in range(300)]
    for texts in load_texts(data, held_out=False).values():
        rng.shuffle(texts)
        taken = 0
        for text in texts:
            if taken > characters_per_folder:
                break
            pieces.append(text[: characters_per_folder // 4])
            taken += len(pieces[-1])
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(pieces, trainer)
    to_byte = unicode_to_byte()
    ranks = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    lines = (base64.b64encode(bytes(to_byte[c] for c in token)) + b" %d\n" % rank for token, rank in ranks)
    out.write_bytes(b"".join(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pattern", default=PATTERN)
    train(**vars(parser.parse_args()))
