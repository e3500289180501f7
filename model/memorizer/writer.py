"""Writes segments into memories: solve for the weights, quantize, recite, correct what was recited wrongly."""

# b segment · t token · c class · m member · v value feature · r row of a memory

from typing import NamedTuple

import torch
from torch import Tensor

from model.memorizer.network import Lesson, Memorizer
from model.memorizer.quantization import dequantize, quantize, quantize_compensated

__all__ = ["Written", "correct", "lead", "rows_for", "write", "write_rows"]

SLACK = 4.0
"""Logits beyond the margin by which a corrected token should win."""


class Written(NamedTuple):
    """Memories as they are stored, and whether each recites its segment exactly."""

    codes: Tensor  # uint8 [b, r, v]
    scales: Tensor  # float16 [b]
    rows: Tensor  # int64 [b], rows of each that count
    exact: Tensor  # bool [b]


def rows_for(memorizer: Memorizer, lesson: Lesson) -> Tensor:
    """Rows [b] that a memory of each segment is likely to need."""
    memory = memorizer.config.memory
    return round_rows(memorizer, lesson.nats * memory.rows_per_nat + lesson.valid.sum(1) * memory.rows_per_token)


def round_rows(memorizer: Memorizer, rows: Tensor) -> Tensor:
    memory = memorizer.config.memory
    return ((rows / memory.rows_step).ceil().long() * memory.rows_step).clamp(memory.later + memory.rows_step, memory.rows)


@torch.no_grad()
def write(memorizer: Memorizer, tokens: Tensor, lengths: Tensor) -> Written:
    """Write memories of segments ``tokens`` [b, t] of ``lengths`` [b] tokens; padding may have any id.

    The surprise of a segment decides how many rows its memory gets. If that is not enough, it gets more rows and a slower rounding.
    """
    memory = memorizer.config.memory
    lesson = memorizer.study(tokens, lengths)
    rows = rows_for(memorizer, lesson)
    written = write_rows(memorizer, lesson, rows)
    while (again := ~written.exact & (written.rows < memory.rows)).any():
        index = again.nonzero()[:, 0]
        rows[index] = round_rows(memorizer, rows[index] * memory.rows_more)
        for whole, part in zip(written, write_rows(memorizer, lesson.only(index), rows[index], compensated=True), strict=True):
            whole[index] = part
    return written


def write_rows(memorizer: Memorizer, lesson: Lesson, rows: Tensor, compensated: bool = False) -> Written:
    """Write memories of ``rows`` [b] rows, then correct up to ``config.memory.rounds`` times what is recited wrongly.

    A round solves for the weights at which surprise and forgetting balance (``ridge.ridge_map``), rounds them, and recites with the right
    tokens before. Where a token does not win by the margin, its target moves along the difference to the token that won, so far that the
    solution wins (the passive-aggressive step of Crammer et al. 2006; a target moves its own read by its leverage). Checking with the right
    tokens before is enough: if each token follows from the right ones before it, reciting from nothing gives them all.
    """
    memory = memorizer.config.memory
    solver = memorizer.memory.solver(memorizer.keys(lesson.features, rows), lesson.gates, lesson.valid)
    target = lesson.values
    tables = memorizer.corrections()
    all_codes = torch.zeros(len(rows), memory.rows, memory.value, dtype=torch.uint8, device=rows.device)
    all_scales = torch.zeros(len(rows), dtype=torch.float16, device=rows.device)
    left = torch.arange(len(rows), device=rows.device)
    for _ in range(memory.rounds + 1):
        weights = solver.weights(target)
        if compensated and solver.curvature is not None:
            codes, scales = quantize_compensated(weights, rows[left], lesson.valid.sum(1), memory.bits, solver.curvature)
        else:
            codes, scales = quantize(weights, rows[left], memory.bits)
        all_codes[left], all_scales[left] = codes, scales
        reads = memorizer.memory.read(solver.keys, dequantize(codes, scales, memory.bits))
        wrong, push = correct(memorizer, lesson, reads, tables)
        again = wrong.any(1)
        if not again.any():
            left = left[again]
            break
        if not again.all():
            lesson, solver = lesson.only(again), solver.only(again)
            target, push, left = target[again], push[again], left[again]
        target = target + push / solver.leverage
    exact = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    exact[left] = False
    return Written(all_codes, all_scales, rows.clone(), exact)


def correct(memorizer: Memorizer, lesson: Lesson, reads: Tensor, tables: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """Which tokens [b, t] of ``lesson`` are not recited by ``reads`` [b, t, v], and the changes [b, t, v] of reads that correct them."""
    members = memorizer.config.members
    places = lesson.places.flatten()
    classes, member = places // members, places % members
    with torch.set_grad_enabled(memorizer.within):
        reads = reads.detach().requires_grad_(memorizer.within)
        logits = [x.flatten(0, 1) for x in memorizer.recited(lesson, reads, memorizer.by_class(lesson.places), tables)]
        class_lead, class_rival = lead(logits[0], classes)
        member_lead, member_rival = lead(logits[1], member)
    margin = memorizer.config.memory.margin
    valid = lesson.valid.flatten()
    wrong = ~((class_lead >= margin) & (member_lead >= margin)) & valid  # so that NaN is wrong
    push = torch.zeros_like(reads).flatten(0, 1)
    index = wrong.nonzero()[:, 0]
    steps = (
        (class_lead, classes[index], class_rival[index]),
        (member_lead, places[index], classes[index] * members + member_rival[index]),
    )
    for which, (gaps, right, rival) in enumerate(steps):
        if tables is None:
            (slopes,) = torch.autograd.grad(gaps, reads, wrong.to(gaps.dtype), retain_graph=True)
            away = slopes.flatten(0, 1)[index]
        else:
            away = tables[which][right] - tables[which][rival]
        way = (margin + SLACK - gaps.detach()[index]).clamp_min(0) / away.square().sum(-1).clamp_min(1e-3)
        push[index] += way[:, None] * away
    return wrong.view_as(lesson.places), push.view_as(reads)


def lead(logits: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """By how much the ``right`` [r] entry of each row of ``logits`` [r, n] beats the best other one, and the index of that one.

    Alters ``logits`` unless gradients are needed.
    """
    score = logits.gather(1, right[:, None])
    hide = logits.scatter if logits.requires_grad else logits.scatter_
    best, rival = hide(1, right[:, None], -torch.inf).max(1)
    return score[:, 0] - best, rival
