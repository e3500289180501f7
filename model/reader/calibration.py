"""Computes an answer's confidence: a logistic function of reading and recall features. Needs no torch.

How it was fitted stands in ``model/NOTES.md``.

The reader's own probability ignores how well the recitations fit the question. It is therefore too high for questions about things
that were never memorized.
"""

import math
from dataclasses import dataclass

__all__ = ["CalibrationFeatures", "confidence_of"]


@dataclass(frozen=True)
class CalibrationFeatures:
    """The features from which the confidence of an answer is computed."""

    logit: float  # of the reader's probability among all answers and nothing
    score: float  # of the answer above nothing, in logits
    lead: float  # log ratio of the reader's probability to the next answer's
    fit: float  # of the best sentence in memory to the question, see ``search.score_sentences``
    here: float  # of the answer's sentence, or how strongly others brought it to mind

    def values(self) -> tuple[float, ...]:
        return self.logit, self.score, self.lead, self.fit, self.here


BIAS = -2.673
WEIGHTS = (0.271, 0.166, -0.061, 2.792, -0.206)


YES_NO = -0.9
"""What yes and no get less: held-out ones that seemed 8 in 10 right were 7 in 10 right. A wrong value in a question fools the reader."""


def confidence_of(features: CalibrationFeatures, yes_no: bool = False) -> float:
    """The probability that the answer is right, word for word; ``yes_no`` if it is yes or no."""
    total = BIAS + YES_NO * yes_no + sum(weight * value for weight, value in zip(WEIGHTS, features.values(), strict=True))
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))
