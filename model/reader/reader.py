"""The reader as everything else uses it: it tokenizes texts, chooses windows, and scores the answers in windows of pieces of text."""

# t token of the window · n token of a piece

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Encoding
from torch import Tensor

from model.bert import PAD, SEPARATOR, START, stack, wordpieces
from model.networks import load_network
from model.reader.network import ReaderConfig, ReaderNetwork
from model.reader.quantization import unpack_state
from model.reader.reranker import rank_windows
from model.recall.encoder import Encoder
from model.runtime import bfloat16_is_faster
from model.weights_file import WEIGHTS

__all__ = ["Reader", "Scores", "load_reader"]


class Scores(NamedTuple):
    """Logits of every answer in a window, float32 on the CPU."""

    spans: list[Tensor]  # of each piece [n, n], by first and last token
    special: Tensor  # [3], of NOTHING, YES and NO


class Reader:
    """Scores answers with its own network; the encoder, much smaller, says which windows are worth it."""

    def __init__(self, network: ReaderNetwork, encoder: Encoder):
        self.network = network
        self.encoder = encoder

    def tokenize(self, texts: Sequence[str]) -> list[Encoding]:
        """Ids and character offsets of each text, without special tokens."""
        return wordpieces(texts)

    def choose(self, question: Sequence[int], windows: Sequence[Sequence[Sequence[int]]], count: int) -> list[int]:
        """Numbers of ``count`` windows in their order: the first, and those in which the encoder sees the likeliest answers.

        A window is a list of pieces of ids.
        """
        if len(windows) <= count:
            return list(range(len(windows)))
        scores = rank_windows(self.encoder, question, windows)
        return sorted([0, *sorted(range(1, len(windows)), key=lambda i: -scores[i])[: count - 1]])

    def score(self, question: Sequence[int], windows: Sequence[Sequence[Sequence[int]]]) -> list[Scores]:
        """Scores of each window, which is a list of pieces in the order of the stream, each a list of ids."""
        head = [START, *question, SEPARATOR]
        rows = [[*head, *(token for piece in window for token in (*piece, SEPARATOR))] for window in windows]
        pairs, special = self.network(stack(rows, PAD, self.network.device))
        result = []
        for window, scores, kinds in zip(windows, pairs.cpu(), special.cpu(), strict=True):
            spans, first = [], len(head)
            for piece in window:
                spans.append(scores[first : first + len(piece), first : first + len(piece)])
                first += len(piece) + 1
            result.append(Scores(spans, kinds))
        return result


def load_reader(device: torch.device, encoder: Encoder, folder: Path = WEIGHTS) -> Reader:
    """The reader with the weights in ``folder``, in the precision that the device computes faster. Raises WeightsError."""
    network = load_network(folder / "reader.safetensors", lambda config: ReaderNetwork(ReaderConfig(**config)), device, unpack_state)
    return Reader(network.to(torch.bfloat16) if bfloat16_is_faster(device) else network, encoder)
