"""The memorizer's vocabulary: a 32k byte-level BPE, lossless on every string.

Trained on our corpus (``model/training/tokenizer.py``), shipped as a tiktoken rank file.
"""

import base64
from functools import lru_cache
from pathlib import Path

import tiktoken

from model.weights_file import RANKS

__all__ = ["PATTERN", "VOCABULARY", "load_tokenizer"]

VOCABULARY = 32_768
"""Number of tokens. Each is a byte string; there are no special tokens."""

PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""Pieces that tokens never cross: words, up to three digits, punctuation, white space."""


@lru_cache(maxsize=2)  # the shipped one, and that of older weights
def load_tokenizer(ranks: Path = RANKS, pattern: str = PATTERN) -> tiktoken.Encoding:
    """The shipped tokenizer. ``decode_bytes(encode_ordinary(s)) == s.encode()`` for every ``s``."""
    table = {}
    for line in ranks.read_bytes().splitlines():
        token, rank = line.split()
        table[base64.b64decode(token)] = int(rank)
    return tiktoken.Encoding("titans-bpe32k", pat_str=pattern, mergeable_ranks=table, special_tokens={}, explicit_n_vocab=VOCABULARY)
