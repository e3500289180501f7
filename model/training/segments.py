"""The segments that the memorizer is trained on: token streams by folder, and random batches of them."""

import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.config import MemorizerConfig
from model.memorizer.tokenizer import load_tokenizer
from model.training.corpus import PROSE, load_texts, number_table

__all__ = ["BATCH", "Batches", "token_streams"]

BATCH = 16
"""Segments of a step."""


def token_streams(data: Path, cache: Path, held_out: bool = False, characters_per_folder: int = 60_000_000) -> dict[str, np.ndarray]:
    """Token ids by folder, kept in ``cache`` (an npz file)."""
    if cache.exists():
        return dict(np.load(cache))
    encode = load_tokenizer().encode_ordinary
    rng = random.Random(1)
    texts = load_texts(data, held_out)
    texts["tables"] = [number_table(rng) for _ in range(50 if held_out else 2_000)]
    streams = {}
    for folder, parts in texts.items():
        rng.shuffle(parts)
        taken, ids = 0, []
        for text in parts:
            if taken > characters_per_folder:
                break
            ids.append(np.array(encode(text[: characters_per_folder // 4]), np.uint16))
            taken += len(text)
        streams[folder] = np.concatenate(ids)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, **streams)  # type: ignore[arg-type]  # numpy types its flag, not the arrays
    return streams


class Batches:
    """Random segments: folders weighted, prose highest; random tokens mixed in."""

    def __init__(self, streams: dict[str, np.ndarray], config: MemorizerConfig, seed: int):
        self.rng = np.random.default_rng(seed)
        self.config = config
        self.streams = [s.astype(np.int64) for s in streams.values()]
        weights = np.array([4.0 if name in PROSE else 2.0 if name in ("tables", "code") else 1.0 for name in streams])
        self.weights = weights / weights.sum()

    def __call__(self) -> Tensor:
        length = self.config.segment
        if self.rng.random() < 0.1:
            length = int(self.rng.integers(2, length))
        rows = np.empty((BATCH, length), np.int64)
        for row, which in zip(rows, self.rng.choice(len(self.streams), BATCH, p=self.weights), strict=True):
            stream = self.streams[which]
            start = self.rng.integers(0, len(stream) - length)
            row[:] = stream[start : start + length]
        noise = self.rng.integers(0, self.config.vocabulary, rows.shape)
        share = np.zeros((BATCH, 1))
        share[: BATCH // 2] = 0.06
        share[:1] = 1.0
        return torch.from_numpy(np.where(self.rng.random(rows.shape) < share, noise, rows))
