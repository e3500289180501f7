"""Losses of the encoder and the reader: one softmax over the answers of all windows, and retrieval by sentence vectors."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from model.bert import PAD, stack, wordpieces
from model.reader.network import NO, NOTHING, YES
from model.reader.reranker import start_and_end
from model.recall.encoder import Encoder
from model.training.invented import Story
from model.training.library import question_vectors, sentence_rows
from model.training.questions import LONGEST_ANSWER, Example, Passage
from model.training.tracking import Tracker
from model.training.windows import Group, mentioned, tokens, words

__all__ = ["ABSURD", "reading_loss", "story_vector_loss", "vector_batch", "vector_loss"]

ABSURD = 6.0
"""Nats above which a noisy example's loss is not counted."""
TRACKING = 0.7
"""Weight of a story's links beside its answer."""
TEMPERATURE = 0.05
ANCHOR = 8.0


def reading_loss(encoder: Encoder, tracker: Tracker, groups: list[Group]) -> Tensor:
    """Minus the log-probability of the answer among those of all the question's windows and nothing, mean over questions.

    The links of stories count too.
    """
    windows = [w for g in groups for w in g.windows]
    device = encoder.device
    ids = stack([w.ids for w in windows], PAD, device)
    start, end = start_and_end(encoder, ids, stack([w.kinds for w in windows], 0, device))
    nothing = (start[:, NOTHING] + end[:, NOTHING])[:, None]
    said = torch.stack([start[:, kind] + end[:, kind] for kind in (YES, NO)], 1) - nothing
    inner = slice(encoder.config.persistent, None)
    pieces = stack([w.pieces for w in windows], -1, device)
    length = pieces.shape[1]
    band = torch.ones(length, length, dtype=torch.bool, device=device).triu().tril(LONGEST_ANSWER)
    allowed = band & (pieces[:, :, None] == pieces[:, None, :]) & (pieces >= 0)[:, :, None]
    pairs = (start[:, inner, None] + end[:, None, inner] - nothing[:, :, None]).masked_fill(~allowed, -torch.inf)
    totals = torch.cat([pairs.flatten(1), said], 1).logsumexp(1)
    losses, first = [], 0
    for g in groups:
        total = torch.cat([totals[first : first + len(g.windows)], totals.new_zeros(1)]).logsumexp(0)
        if g.kind is None:
            loss = total - torch.stack([pairs[first + window, a, z] for window, a, z in g.spans]).logsumexp(0)
        else:
            loss = total if g.kind == NOTHING else total - said[first : first + len(g.windows), g.kind - YES].logsumexp(0)
        losses.append(loss * 0 if g.noisy and loss > ABSURD else loss)
        first += len(g.windows)
    links = [w.links for w in windows]
    share = sum(map(bool, links)) / len(groups)
    return torch.stack(losses).mean() + TRACKING * share * tracker.loss(links, ids != PAD, encoder.config.persistent)


def vector_batch(examples: list[Example], device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Passage ids [b, t], sentence numbers [b, t], passage of each sentence [s], right sentence and passage of each question."""
    passages = list({e.passage.text: e.passage for e in examples}.values())
    rows, belongs, owner = sentence_rows(passages)
    row_of = {passage.text: row for row, passage in enumerate(passages)}
    right, right_row = [], []
    for e in examples:
        numbers = belongs[row_of[e.passage.text]]
        right.append(numbers[min(e.first + 1, len(numbers) - 2)])
        right_row.append(row_of[e.passage.text])
    owners, sentences, passage_rows = (torch.tensor(numbers, device=device) for numbers in (owner, right, right_row))
    return stack(rows, PAD, device), stack(belongs, -1, device), owners, sentences, passage_rows


def drift(teacher: Encoder, asked: Sequence[Sequence[int]], ids: Tensor, belongs: Tensor, vectors: Tensor) -> Tensor:
    """How far the vectors [q + s, g] of questions and sentences are from the teacher's: one minus the mean cosine."""
    with torch.no_grad():
        questions = question_vectors(teacher, asked)
        anchors = torch.cat([questions, teacher.sentence_vectors(ids, belongs, len(vectors) - len(questions))])
    return 1 - (vectors * anchors).sum(-1).mean()


def story_vector_loss(encoder: Encoder, teacher: Encoder, stories: list[Story], fillers: list[str], rng: random.Random) -> Tensor:
    """Facts about those whom a question and its answer mention, against the text that the facts are scattered in.

    A question must find such facts, and the facts that answer it must find the others: retrieval happens in two steps.
    """
    passages, held = [], []  # a passage's text; (story, fact) of each fact in it
    for number, story in enumerate(stories):
        for i, fact in enumerate(story.facts):
            before, _, after = rng.choice(fillers).partition(". ")
            before = before[:150]
            passages.append(f"{before}. {fact} {after}"[: rng.randint(400, 700)])
            held.append((number, i, len(before) + 2))
    encoded = wordpieces(passages)
    rows, belongs, owner = sentence_rows([Passage("", e.ids, e.offsets, p) for e, p in zip(encoded, passages, strict=True)])
    place = [belongs[row][1 + next(i for i, (a, _) in enumerate(encoded[row].offsets) if a >= at)] for row, (_, _, at) in enumerate(held)]
    asked = [tokens(story.question) for story in stories]
    ids, numbers = stack(rows, PAD, encoder.device), stack(belongs, -1, encoder.device)
    questions, sentences = question_vectors(encoder, asked), encoder.sentence_vectors(ids, numbers, len(owner))
    away = drift(teacher, asked, ids, numbers, torch.cat([questions, sentences]))
    is_fact = torch.zeros(len(owner), dtype=torch.bool, device=encoder.device)
    is_fact[place] = True
    losses = []
    for number, story in enumerate(stories):
        own = {i: place[row] for row, (n, i, _) in enumerate(held) if n == number}
        related = mentioned(story)
        positives = [own[i] for i, text in enumerate(story.facts) if related & words(text)]
        for query in (questions[number], *(sentences[own[i]] for i in story.support)):
            scores = sentences @ query / TEMPERATURE
            against = scores.masked_fill(is_fact, -torch.inf).logsumexp(0)
            losses.append(F.softplus(against - scores[positives]).mean())
    return torch.stack(losses).mean() + ANCHOR * away


def vector_loss(encoder: Encoder, teacher: Encoder, examples: list[Example]) -> Tensor:
    """Right sentence among all of the batch, right passage among all (the best of its sentences, softly), and an anchor.

    The anchor holds the vectors near those of the model that training started from, which saw far more questions.
    """
    ids, belongs, owner, right, right_row = vector_batch(examples, encoder.device)
    asked = [e.question for e in examples]
    questions, sentences = question_vectors(encoder, asked), encoder.sentence_vectors(ids, belongs, len(owner))
    scores = questions @ sentences.mT / TEMPERATURE
    same = right_row[:, None] == owner[None, :]
    passage = scores.logsumexp(1) - scores.masked_fill(~same, -torch.inf).logsumexp(1)
    away = drift(teacher, asked, ids, belongs, torch.cat([questions, sentences]))
    return 0.5 * F.cross_entropy(scores, right) + 0.5 * passage.mean() + ANCHOR * away
