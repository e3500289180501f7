"""Writes the memories of a document's segments, and splits segments that cannot be recited exactly."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import tiktoken
from torch import Tensor

from model.errors import MemorizeError
from model.memorizer.network import Memorizer, padded
from model.memorizer.quantization import pack
from model.memorizer.writer import write

__all__ = ["Memory", "checksum", "memorize", "sentence_texts"]

BATCH = 32
"""Segments that are written in one batch."""


@dataclass(frozen=True)
class Memory:
    """One memory: a piece of a segment in the weights of a small network."""

    segment: int  # number of the segment that it came from
    weights: Tensor  # uint8 [rows, v·bits/8]
    scale: Tensor  # float16 []
    sentences: tuple[int, ...]  # tokens of each sentence, in order
    checksum: bytes  # of the tokens
    tokens: tuple[int, ...]  # what was written; for making sentence vectors, never stored


def checksum(tokens: Sequence[int]) -> bytes:
    """Eight bytes by which a recitation is compared with the text that was written."""
    return hashlib.blake2b(np.asarray(tokens, "<u2").tobytes(), digest_size=8).digest()


Sentences = list[list[int]]


def split(sentences: Sentences, tokenizer: tiktoken.Encoding) -> tuple[Sentences, Sentences]:
    """Split a segment into halves, at the sentence boundary nearest to the middle or within its only sentence.

    A single token is spelled in bytes instead. Raises MemorizeError if it is already a single byte.
    """
    if len(sentences) > 1:
        ends = list(accumulate(map(len, sentences)))
        cut = min(range(len(sentences) - 1), key=lambda i: abs(2 * ends[i] - ends[-1])) + 1
        return sentences[:cut], sentences[cut:]
    (only,) = sentences
    if len(only) == 1:
        spelled = tokenizer.decode_single_token_bytes(only[0])
        if len(spelled) == 1:
            raise MemorizeError(f"The byte {spelled!r} cannot be memorized exactly with these model weights. Install titans again.")
        only = [tokenizer.encode_single_token(bytes([b])) for b in spelled]
    return [only[: len(only) // 2]], [only[len(only) // 2 :]]


def memorize(memorizer: Memorizer, tokenizer: tiktoken.Encoding, segments: Sequence[Sentences]) -> list[Memory]:
    """Write memories of ``segments`` (each a list of sentences, each a list of tokens), in stream order.

    Every returned memory recites exactly. The result depends on ``segments`` alone; therefore one call holds one document. Raises
    MemorizeError if a text cannot be written.
    """
    device = memorizer.place_of_token.device
    todo: list[tuple[tuple[int, ...], Sentences]] = [((i,), s) for i, s in enumerate(segments) if any(s)]
    done: dict[tuple[int, ...], Memory] = {}
    while todo:
        todo.sort(key=lambda item: (-sum(map(len, item[1])), item[0]))
        again = []
        for first in range(0, len(todo), BATCH):
            batch = todo[first : first + BATCH]
            rows = [[t for sentence in sentences for t in sentence] for _, sentences in batch]
            written = write(memorizer, *(tensor.to(device) for tensor in padded(rows)))
            outcome = zip(batch, rows, *(tensor.cpu() for tensor in written), strict=True)
            for (key, sentences), row, codes, scale, kept, exact in outcome:
                if exact:
                    sizes = tuple(len(s) for s in sentences)
                    weights = pack(codes[: int(kept)], memorizer.config.memory.bits)
                    done[key] = Memory(key[0], weights, scale, sizes, checksum(row), tuple(row))
                else:
                    again += [((*key, half), part) for half, part in enumerate(split(sentences, tokenizer))]
        todo = again
    return [done[key] for key in sorted(done)]


def sentence_texts(tokenizer: tiktoken.Encoding, tokens: Sequence[int], sizes: Sequence[int]) -> list[str]:
    """The text of each sentence of a memory; ``sizes`` are their token counts."""
    ends = list(accumulate(sizes))
    return [tokenizer.decode(tokens[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
