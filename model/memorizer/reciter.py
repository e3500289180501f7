"""Recites tokens from memories alone, one after the other, each from those recited before it."""

# b memory · t token · c class · e embedding feature · d model feature · k key feature · r row · v value feature

from collections.abc import Sequence

import torch
from torch import Tensor

from model.memorizer.network import Memorizer, Past
from model.memorizer.quantization import dequantize, unpack

__all__ = ["decode", "recite"]


def recite(memorizer: Memorizer, weights: Sequence[Tensor], scales: Tensor, lengths: Sequence[int]) -> list[list[int]]:
    """Tokens of each memory, read back from packed ``weights``, each uint8 [rows, bytes], and ``scales`` [b]."""
    if not lengths:
        return []
    memory = memorizer.config.memory
    tables = torch.zeros(len(weights), memory.rows, memory.value)
    for table, packed, scale in zip(tables, weights, scales, strict=True):
        table[: len(packed)] = dequantize(unpack(packed, memory.bits)[None], scale[None], memory.bits)[0]
    rows = torch.tensor([len(packed) for packed in weights])
    device = memorizer.place_of_token.device
    recited = decode(memorizer, tables.to(device), rows.to(device), max(lengths)).tolist()
    return [row[:length] for row, length in zip(recited, lengths, strict=True)]


@torch.inference_mode()
def decode(memorizer: Memorizer, weights: Tensor, rows: Tensor, length: int) -> Tensor:
    """Token ids [b, ``length``], the likeliest at each step, from memories [b, r, v] of ``rows`` [b] rows alone."""
    config = memorizer.config
    before = memorizer.start.expand(len(weights), config.convolution, -1)
    past: Past = [None] * len(memorizer.blocks)
    table, bias = memorizer.members_of(memorizer.embedding), memorizer.members_of(memorizer.member_bias)
    scale = torch.ones(2, device=weights.device) if memorizer.within else memorizer.expectation_scale
    recited = []
    for t in range(length):
        position = memorizer.position[t]
        states = memorizer.states_of(before[:, -1:], position)
        if memorizer.within:
            states = memorizer.core(*memorizer.join(states, read_at(memorizer, t, before, states, weights, rows), position), past=past)
        else:
            states = memorizer.core(states, past=past)
        class_query, member_query = memorizer.class_query(states), memorizer.member_query(states)
        if not memorizer.within:
            read = read_at(memorizer, t, before, states, weights, rows)
            class_query = class_query * scale[0] + memorizer.class_correction(read)
            member_query = member_query * scale[1] + memorizer.member_correction(read)
        class_ = (class_query @ memorizer.class_embedding.mT + scale[0] * memorizer.class_bias).argmax(-1)[:, 0]
        member = ((member_query @ table[class_].mT)[:, 0] + scale[1] * bias[class_]).argmax(-1)
        before = torch.cat([before[:, 1:], table[class_, member][:, None]], 1)
        recited.append(class_ * config.members + member)
    places = torch.stack(recited, 1) if recited else torch.empty(len(weights), 0, dtype=torch.long, device=weights.device)
    return memorizer.place_of_token.argsort()[places]


def read_at(memorizer: Memorizer, t: int, before: Tensor, states: Tensor, weights: Tensor, rows: Tensor) -> Tensor:
    """The memory's read at token t, [b, 1, v], from the embeddings [b, convolution, e] before it and states [b, 1, d]."""
    features = memorizer.key_features(before, states, memorizer.key_position[t : t + 1])
    return memorizer.memory.read(memorizer.keys(features, rows), weights)
