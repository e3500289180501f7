"""Exact match and F1 of answers, as SQuAD's own evaluation defines them."""

import re
import string
from collections import Counter

__all__ = ["best", "exact_match", "f1", "normalise"]

PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(answer: str) -> str:
    """Lower case, without punctuation, articles and extra white space."""
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", answer.lower().translate(PUNCTUATION)).split())


def exact_match(answer: str, gold: str) -> float:
    return float(normalise(answer) == normalise(gold))


def f1(answer: str, gold: str) -> float:
    ours, theirs = normalise(answer).split(), normalise(gold).split()
    if not ours or not theirs:
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs))


def best(metric, answer: str, golds: list[str]) -> float:
    """The metric against the gold answer that fits best."""
    return max(metric(answer, gold) for gold in golds)
