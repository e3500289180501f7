"""Gists of what is memorized and of questions, and which memories a question wakes (Memory Caching, arXiv 2602.24281:
sparse selective reading)."""

# s sentence · d feature · m memory

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.core import PAD, SEPARATOR, START, Core, stack, wordpieces
from model.runtime import reduced_precision

__all__ = ["question_gist", "sentence_gists", "wake"]

WINDOW = 254
"""WordPieces of context that the states of a passage see."""
BATCH = 16
"""Passages encoded at once."""
SLAB = 65_536
"""Gists compared at once, so that memory stays flat."""


def passages(sentences: Sequence[Sequence[int]], pages: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Rows of (token, sentence) pairs: consecutive sentences of one page, up to ``WINDOW`` tokens a row."""
    rows: list[list[tuple[int, int]]] = []
    page: int | None = None
    for number, ids in enumerate(sentences):
        ids = ids[:WINDOW]
        if pages[number] != page or len(rows[-1]) + len(ids) > WINDOW:
            rows.append([])
            page = pages[number]
        rows[-1] += [(token, number) for token in ids]
    return [row for row in rows if row]


@torch.inference_mode()
def sentence_gists(core: Core, sentences: Sequence[str], pages: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Gists of the consecutive ``sentences`` of a document: int8 [s, d] and their float16 scales [s].

    Each sentence is pooled from states that saw its passage; ``pages`` [s] says where a passage must end.
    """
    width, device = core.config.width, core.persistent.device
    rows = passages([encoding.ids for encoding in wordpieces(sentences)], pages)
    rows.sort(key=len)
    gists = torch.zeros(len(sentences), width)
    for first in range(0, len(rows), BATCH):
        batch = rows[first : first + BATCH]
        numbers = sorted({number for row in batch for _, number in row})
        local = {number: i for i, number in enumerate(numbers)}
        ids = stack([[START, *(token for token, _ in row), SEPARATOR] for row in batch], PAD)
        belongs = stack([[-1, *(local[number] for _, number in row), -1] for row in batch], -1)
        with reduced_precision(device):
            gists[numbers] = core.gists(ids.to(device), belongs.to(device), len(numbers)).cpu()
    scales = (gists.abs().amax(1, keepdim=True) / 127).clamp_min(1e-6).half()
    return (gists / scales.float()).round().clamp(-127, 127).to(torch.int8), scales[:, 0]


@torch.inference_mode()
def question_gist(core: Core, question: str) -> Tensor:
    """The question's gist, float32 [d]; zeros for a question without words."""
    ids = wordpieces([question])[0].ids[:WINDOW]
    device = core.persistent.device
    row = torch.tensor([[START, *ids, SEPARATOR]], device=device)
    belongs = torch.tensor([[-1, *[0] * len(ids), -1]], device=device)
    with reduced_precision(device):
        return core.gists(row, belongs, 1)[0].cpu()


def wake(question: Tensor, gists: np.ndarray, scales: np.ndarray, owners: np.ndarray, count: int) -> list[tuple[int, float]]:
    """The ``count`` memories whose best sentence is nearest to the question, best first, with that similarity.

    ``gists`` int8 [s, d] (a memory-mapped matrix), ``scales`` [s] and ``owners`` [s], each sentence's memory, ascending.
    """
    if not len(gists):
        return []
    scores = np.empty(len(gists), np.float32)
    for first in range(0, len(gists), SLAB):
        part = slice(first, first + SLAB)
        slab = torch.from_numpy(np.array(gists[part])).float()
        scores[part] = (slab @ question).numpy() * np.asarray(scales[part], np.float32)
    memories, starts = np.unique(np.asarray(owners), return_index=True)
    best = np.maximum.reduceat(scores, starts)
    order = np.argsort(-best, kind="stable")[:count]
    return [(int(memories[i]), float(best[i])) for i in order]
