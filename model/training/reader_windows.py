"""Windows of the reader in training: a question before its passage and others near it, or a story; batches of windows of like length."""

# w window · t token · g question · s span

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.bert import PAD, SEPARATOR, START
from model.reader.windows import WINDOW, pack
from model.training.reader_data import Kind
from model.training.reader_questions import Questions

__all__ = ["Batch", "Group", "Stream", "batches", "collate", "make_group", "pad_windows"]

STORY_WINDOW = 412
"""Tokens up to which other sentences are put between a story's facts."""
CHUNK = 600
"""Questions of which batches are made at once, so that windows of one length come together."""
WITHOUT = 0.08
"""Share of answerable questions that are asked without their passage."""
SHORTEST_CROP, LONGEST_CROP = 60, 320
"""Tokens of a stretch of a passage."""
NOISY = ("squad_train_silver", "numbers", "medquad_gists")
"""Sources whose answers were inferred and may be wrong."""


@dataclass(frozen=True)
class Group:
    """A question's windows of token ids; ``spans`` are (window, first, last token) of its answers, none with another kind than SPAN."""

    windows: list[list[int]]
    spans: list[tuple[int, int, int]]
    kind: int
    noisy: bool

    @property
    def longest(self) -> int:
        return max(map(len, self.windows))


def crop(size: int, low: int, high: int, rng: random.Random) -> tuple[int, int]:
    """A stretch of ``size`` tokens, as long as recitations are, that holds ``low`` to ``high``."""
    length = min(max(rng.randint(SHORTEST_CROP, LONGEST_CROP), high - low), size)
    first = rng.randint(max(0, high - length), min(low, size - length))
    return first, first + length


def other_pieces(q: Questions, example: int, own: int, answers: list[bytes], rng: random.Random) -> list[np.ndarray]:
    """Stretches of none to five of the passages near the example's question that do not hold its answers."""
    others = [n for n in q.near[example].tolist() if n != own and not any(answer in q.passage(n).tobytes() for answer in answers)]
    others = others[: rng.choices((0, rng.randint(1, 2), rng.randint(3, 5)), (0.35, 0.4, 0.25))[0]]
    pieces = []
    for n in others:
        tokens = q.passage(n)
        middle = rng.randrange(len(tokens))
        pieces.append(tokens[slice(*crop(len(tokens), middle, middle + 1, rng))])
    return pieces


def make_group(q: Questions, example: int, rng: random.Random) -> Group:
    """The example's passage among near ones that do not hold its answer, packed as they are for answering."""
    source, own, kind = q.rows[example].tolist()
    question = q.question(example).tolist()
    name = q.sources[source]
    spans = list(dict.fromkeys(q.spans.get(example, [])))
    if name in ("stories", "babi"):
        return story_group(q, own, question, spans, rng)
    passage = q.passage(own)
    room = WINDOW - len(question) - 2
    others = other_pieces(q, example, own, [passage[a : z + 1].tobytes() for a, z in spans], rng)
    pieces: list[tuple[int | None, np.ndarray]] = [(None, tokens) for tokens in others]  # first token in the right passage, tokens
    if kind == Kind.SPAN and others and rng.random() < WITHOUT:
        kind = Kind.NOTHING
    else:
        first, after = 0, len(passage)
        if spans:
            start, end = rng.choice(spans)
            first, after = crop(len(passage), start, end + 1, rng)
        pieces.append((first, passage[first : min(after, first + room - 1)]))
    rng.shuffle(pieces)
    windows, found = [], []
    for number, chosen in enumerate(pack([len(tokens) for _, tokens in pieces], room)):
        window = [START, *question, SEPARATOR]
        for begin, tokens in (pieces[i] for i in chosen):
            if begin is not None and kind == Kind.SPAN:
                shift = len(window) - begin
                found += [(number, a + shift, z + shift) for a, z in spans if a >= begin and z < begin + len(tokens)]
            window += [*tokens.tolist(), SEPARATOR]
        windows.append(window)
    if kind == Kind.SPAN and not found:
        kind = Kind.NOTHING
    return Group(windows, found, kind, name in NOISY)


def story_group(q: Questions, own: int, question: list[int], spans: list[tuple[int, int]], rng: random.Random) -> Group:
    """The story's facts in order with stretches of other texts between them, as far as there is room.

    A stretch behind the last fact stands in the last fact's piece.
    """
    tokens = q.passage(own).tolist()
    window, moved = [START, *question, SEPARATOR], {}
    room = STORY_WINDOW - len(tokens) - len(window) - 1
    fillers = rng.randint(0, 8) if room > 20 else 0
    cuts = [i + 1 for i, t in enumerate(tokens) if t == SEPARATOR]
    places = sorted(rng.choices([0, *cuts, len(tokens)], k=fillers))
    for i, token in enumerate([*tokens, SEPARATOR]):
        while places and places[0] == i:
            places.pop(0)
            text = q.passage(int(rng.choice(q.filler)))
            size = rng.randint(6, 40)
            if room > size + 1:
                begin = rng.randrange(max(1, len(text) - size))
                window += [*text[begin : begin + size].tolist(), SEPARATOR]
                room -= size + 1
        moved[i] = len(window)
        window.append(token)
    return Group([window], [(0, moved[a], moved[z]) for a, z in spans], Kind.SPAN, False)


@dataclass(frozen=True)
class Batch:
    """Windows of several questions."""

    ids: Tensor  # int64 [w, t]
    owner: Tensor  # int64 [w]: number of each window's question
    kinds: Tensor  # int64 [g]
    noisy: Tensor  # bool [g]
    spans: Tensor  # int64 [s, 4]: question, window, first and last token

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in vars(self).values()))


def pad_windows(windows: list[list[int]]) -> Tensor:
    """Windows as int64 [w, t]; with the persistent tokens, t is a multiple of 32."""
    size = max(map(len, windows)) + 4
    size += -size % 32 - 4
    ids = np.full((len(windows), size), PAD, np.int64)
    for row, window in zip(ids, windows, strict=True):
        row[: len(window)] = window
    return torch.from_numpy(ids)


def collate(groups: list[Group]) -> Batch:
    owner = [i for i, g in enumerate(groups) for _ in g.windows]
    firsts = np.cumsum([0, *(len(g.windows) for g in groups)]).tolist()
    spans = [(i, firsts[i] + w, a, z) for i, g in enumerate(groups) for w, a, z in g.spans]
    return Batch(
        pad_windows([w for g in groups for w in g.windows]),
        torch.tensor(owner),
        torch.tensor([g.kind for g in groups]),
        torch.tensor([g.noisy for g in groups]),
        torch.tensor(spans, dtype=torch.long).reshape(-1, 4),
    )


def batches(groups: list[Group], tokens: int, rng: random.Random) -> list[Batch]:
    """Groups of like length together, about ``tokens`` with padding in each batch."""
    made: list[list[Group]] = []
    count = 0
    for g in sorted(groups, key=lambda g: g.longest):
        count += len(g.windows)
        if not made or count * (g.longest + 20) > tokens:
            made.append([])
            count = len(g.windows)
        made[-1].append(g)
    result = [collate(some) for some in made]
    rng.shuffle(result)
    return result


class Stream(torch.utils.data.IterableDataset):
    """Batches without end; each worker of a loader has its own seed. A round must have ``CHUNK`` questions at least."""

    def __init__(self, questions: Questions, tokens: int, seed: int):
        self.questions, self.tokens, self.seed = questions, tokens, seed

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        rng = random.Random(self.seed * 1000 + (worker.id if worker else 0))
        while True:
            examples = self.questions.round(rng)
            for first in range(0, len(examples) - CHUNK + 1, CHUNK):
                groups = [make_group(self.questions, e, rng) for e in examples[first : first + CHUNK]]
                yield from batches(groups, self.tokens, rng)
