"""The sentences around the evidence of an answer and around its closest passages, recited."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from titans_cli.services.ask.results import Answer, Context, Evidence

if TYPE_CHECKING:  # loads torch
    from titans_cli.services.ask.retrieve import Retriever

__all__ = ["with_context"]


def with_context(retriever: Retriever, answer: Answer, count: int) -> Answer:
    """``answer`` with ``count`` sentences recited on both sides of its evidence and closest passages. Raises DamagedError."""
    if not count:
        return answer
    evidence, closest = (tuple(around(retriever, piece, count) for piece in pieces) for pieces in (answer.evidence, answer.closest))
    return replace(answer, evidence=evidence, closest=closest)


def around(retriever: Retriever, evidence: Evidence, count: int) -> Evidence:
    """``evidence`` with the ``count`` sentences before it and behind it in its document."""
    first, last = evidence.sentences
    index = retriever.index
    document = index.document_of(int(index.owners[first]))
    low, high = (np.searchsorted(index.owners, index.starts[document + i]) for i in (0, 1))
    begin, end = max(int(low), first - count), min(int(high) - 1, last + count)
    (run,) = retriever.recite(dict.fromkeys(range(int(index.owners[begin]), int(index.owners[end]) + 1), 0.0))
    parts = run.part(begin, first - 1) if begin < first else "", run.part(last + 1, end)
    return replace(evidence, context=Context(parts[0].strip(), parts[1].strip(), all(run.verbatim.values())))
