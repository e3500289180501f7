"""Reading an answer to a question out of recitations, by one softmax over all windows."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from model.reader.reader import Reader
from model.reader.spans import Reading, best_of_window, normal, whole_words
from model.reader.windows import SENTENCES_WINDOW, WINDOW, Passage, arrange, best_fit, gather

__all__ = ["read_answers"]

LONGEST_QUESTION = 64
READ = 3
"""Windows that the reader reads, see ``Reader.choose``."""
RANKED = 6
"""Windows of passages, the best retrieved, among which they are chosen."""


@torch.inference_mode()
def read_answers(reader: Reader, question: str, passages: Sequence[Passage], sentences: Sequence[Passage] = ()) -> list[Reading]:
    """Answers to ``question``, best first, by one softmax over all windows; none when there is nothing to read.

    Passages are read some at a time, single ``sentences`` (in the order of the stream) all together: a reading's ``passage`` counts
    through both. Spans of the same words are one answer.
    """
    asked = reader.tokenize([question])[0].ids[:LONGEST_QUESTION]
    top = best_fit([*passages, *sentences])
    windows = arrange(reader, passages, WINDOW - len(asked) - 2, top)[:RANKED] if passages else []
    together = gather(reader, sentences, len(passages), SENTENCES_WINDOW - len(asked) - 2, top)
    windows += [together] if together else []
    if not windows or not asked:
        return []
    texts = [passage.text for passage in (*passages, *sentences)]
    partition = [torch.zeros(1)]
    same: dict[str, list[Reading]] = {}
    ids = [[piece.ids for piece in window] for window in windows]
    chosen = reader.choose(asked, ids, READ)
    for number, scores in zip(chosen, reader.score(asked, [ids[i] for i in chosen]), strict=True):
        readings, everything = best_of_window(windows[number], scores)
        partition.append(everything)
        for reading in readings:
            if reading.kind is None:
                reading = whole_words(texts[reading.passage], reading)
            said = texts[reading.passage][reading.start : reading.end] if reading.kind is None else f" {reading.kind}"
            same.setdefault(normal(said), []).append(reading)
    total = torch.cat(partition).logsumexp(0)
    answers = []
    for group in same.values():
        score = torch.tensor([reading.score for reading in group]).logsumexp(0)
        best = max(group, key=lambda reading: reading.score)
        answers.append(replace(best, score=score.item(), confidence=(score - total).exp().clamp(max=1).item()))
    return sorted(answers, key=lambda reading: -reading.score)
