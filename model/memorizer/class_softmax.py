"""Class softmax: scores of tokens within their classes, and how tokens are assigned to classes."""

# n token · c class · m member · e feature

import torch
from torch import Tensor

__all__ = ["ByClass", "bisect"]


class ByClass:
    """Tokens sorted by class, so that each class's table is multiplied only once."""

    def __init__(self, classes: Tensor, count: int):
        self.order = classes.argsort(stable=True)
        self.back = self.order.argsort()
        self.sizes = torch.bincount(classes, minlength=count).tolist()

    def scores(self, states: Tensor, tables: Tensor) -> Tensor:
        """Products [n, m] of states [n, e] with the tables of their classes; ``tables`` is [c, m, e]."""
        parts = states[self.order].split(self.sizes)
        products = [part @ table.mT for part, table in zip(parts, tables.unbind(0), strict=True) if len(part)]
        return torch.cat(products)[self.back] if products else states.new_empty(0, tables.shape[1])


def bisect(embedding: Tensor, halvings: int, rounds: int = 12) -> Tensor:
    """Order the rows of ``embedding`` [n, e] so that the 2^halvings equal parts are clusters (balanced 2-means tree).

    n must be a multiple of 2^halvings. Returns row numbers [n].
    """

    def halve(rows: Tensor, left: int) -> list[Tensor]:
        if left == 0:
            return [rows]
        points = embedding[rows] - embedding[rows].mean(0)
        direction = torch.linalg.svd(points, full_matrices=False)[2][0]
        middle = len(rows) // 2
        for _ in range(rounds):
            order = (points @ direction).argsort()
            low, high = order[:middle], order[middle:]
            direction = points[high].mean(0) - points[low].mean(0)
        return halve(rows[low], left - 1) + halve(rows[high], left - 1)

    return torch.cat(halve(torch.arange(len(embedding)), halvings))
