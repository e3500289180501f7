"""Computes the surprise of a text without writing it: how little the short-term core expected its tokens."""

from collections.abc import Sequence

import torch

from model.memorizer.network import Memorizer, padded

__all__ = ["token_nats"]

BATCH = 16
"""Segments that are read in one batch."""


@torch.inference_mode()
def token_nats(memorizer: Memorizer, segments: Sequence[Sequence[int]]) -> list[list[float]]:
    """The surprise, in nats, of each token of each of the ``segments``, given the tokens before it in the segment."""
    nats: list[list[float]] = []
    for first in range(0, len(segments), BATCH):
        batch = segments[first : first + BATCH]
        tokens, _ = padded(batch)
        places = memorizer.place_of_token[tokens.to(memorizer.place_of_token.device)]
        by_class = memorizer.by_class(places)
        states, _ = memorizer.context(places)
        expected = memorizer.expected(states, places, by_class)
        both = memorizer.surprise(places, *expected, by_class)[2].sum(-1).tolist()
        nats += [row[: len(segment)] for row, segment in zip(both, batch, strict=True)]
    return nats
