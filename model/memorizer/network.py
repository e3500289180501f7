"""The memorizer's network: a Titans language model whose memory corrects what its short-term core expects.

The short-term core, causal attention over the last tokens, *expects* the next token. The neural memory, keyed by the
short-term context, gives the *remembered correction*. The value stored for a token is the gradient of the core's loss,
what it failed to expect, so text that the model can already predict costs little memory.

A token is named in two steps, its class and its place among the class's members, so that a score over the vocabulary
costs 256 + 128 products instead of 32,768 (Goodman 2001, arXiv cs/0108006).

    state    h_t = core(tokens before t)                                                short-term memory
    expected logits q(h_t) · table + bias, for classes and for the members of the right class
    key      k_t = conv(W_K E[tokens before t]) + W_H h_t + position_t, unit length     §4.4
    value    v_t = W_V (table[x_t] − Σ_p p table), larger the less x_t was expected     surprise
    recited  logits γ expected + (U k_t M) · table

So memory and attention are joined by adding logits: ``additive``, the shipped way, which is none of the paper's (a deviation: the
gate of memory as gate, eqs. 26–28, is a constant γ here). ``MemorizerConfig.joining`` has others:

    lmm      memory alone: as above, without attention
    mal      memory as a layer: k_t comes from tokens and position, and U k_t M is added to what enters the core
    mac      memory as context: the same, but the core's attention sees U k_t M as another token beside each of its own

With mal and mac the recited logits are the core's own, with the memory's reads; the expected ones are those without.
``writer.py`` writes memories, ``reciter.py`` reads them back.
"""

# b segment · t token · d model feature · e embedding feature · c class · m member · k key feature · v value feature

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import MemorizerConfig
from model.memorizer.associative import AssociativeMemory
from model.memorizer.class_softmax import ByClass
from model.networks import initial, load_network
from model.weights_file import WEIGHTS

__all__ = ["Lesson", "Memorizer", "Past", "load_memorizer", "padded"]

NATS = 8.0
"""Unit, in nats, of the surprise that gates receive."""


Past = list[tuple[Tensor, Tensor] | None]
"""Keys and values [b, heads, s, d/heads] of the earlier tokens that each block attends to."""


class Block(nn.Module):
    """Pre-norm attention and feed-forward part of the short-term core."""

    def __init__(self, config: MemorizerConfig):
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.norm_feedforward = nn.LayerNorm(d)
        self.up = nn.Linear(d, 3 * d)
        self.down = nn.Linear(3 * d, d)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [b, heads, t, d/heads]."""
        q, k, v = self.qkv(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def forward(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None = None, past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Tokens x [b, t, d] after the block, and the keys and values that they saw.

        Of ``context`` [b, t, d], when there is one, each token sees what stands beside those it sees; ``past`` is seen by all.
        """
        query, key, value = self.project(x)
        if context is not None:
            _, more_keys, more_values = self.project(context)
            key, value = torch.cat([key, more_keys], 2), torch.cat([value, more_values], 2)
            mask = None if mask is None else torch.cat([mask, mask], 1)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.silu(self.up(self.norm_feedforward(x)))), (key, value)


class Lesson(NamedTuple):
    """What a memory has to learn from segments: what was expected, what came, and where to store the difference."""

    places: Tensor  # int64 [b, t], class · members + member
    valid: Tensor  # bool [b, t], False for padding
    class_logits: Tensor  # [b, t, c] expected
    member_logits: Tensor  # [b, t, m] expected, of the right class
    features: Tensor  # [b, t, k] of the keys
    values: Tensor  # [b, t, v]
    gates: Tensor  # [b, t, g] before the sigmoid
    nats: Tensor  # [b], surprise of the whole segment

    def only(self, index: Tensor) -> "Lesson":
        """The segments that ``index`` chooses."""
        return Lesson(*(tensor[index] for tensor in self))


def signed_taps(taps: int, features: int) -> Tensor:
    """A convolution [taps, features] over earlier tokens with decreasing weights and random signs per feature."""
    return torch.tensor([0.8**j for j in range(taps)])[:, None] * torch.randn(taps, features).sign()


def orthogonal(rows: int, columns: int) -> Tensor:
    """A part [rows, columns] of an orthogonal matrix."""
    square = max(rows, columns)
    return torch.linalg.qr(torch.randn(square, square))[0][:rows, :columns].clone()


class Memorizer(nn.Module):
    """See the module's docstring. Inputs are token ids [b, t], t ≤ ``config.segment``."""

    place_of_token: Tensor

    def __init__(self, config: MemorizerConfig):
        super().__init__()
        self.config = config
        d, e, memory = config.width, config.embedding, config.memory
        self.register_buffer("place_of_token", torch.arange(config.vocabulary, device="cpu"))
        self.embedding = initial((config.vocabulary, e), lambda: torch.randn(config.vocabulary, e) * e**-0.5)  # in the order of places
        self.class_embedding = initial((config.classes, e), lambda: torch.randn(config.classes, e) * e**-0.5)
        self.member_bias = nn.Parameter(torch.zeros(config.vocabulary))
        self.class_bias = nn.Parameter(torch.zeros(config.classes))
        self.start = initial((e,), lambda: torch.randn(e) * e**-0.5)
        self.input = nn.Linear(e, d, bias=False)
        self.position = initial((config.segment, d), lambda: torch.randn(config.segment, d) * 0.02)
        self.within = config.joining in ("mac", "mal")  # reads enter the core
        self.blocks = nn.ModuleList(Block(config) for _ in range(0 if config.joining == "lmm" else config.layers))
        self.norm = nn.LayerNorm(d)
        self.class_query = nn.Linear(d, e, bias=False)
        self.member_query = nn.Linear(d, e, bias=False)
        self.key_of_token = nn.Linear(e, memory.key, bias=False)
        self.key_convolution = initial((config.convolution, memory.key), lambda: signed_taps(config.convolution, memory.key))
        self.key_of_state = nn.Linear(d, memory.key, bias=False)
        self.key_position = initial((config.segment, memory.key), lambda: orthogonal(config.segment, memory.key))
        self.class_value = nn.Linear(e, memory.value, bias=False)
        self.member_value = nn.Linear(e, memory.value, bias=False)
        if self.within:
            self.state_of_read = nn.Linear(memory.value, d, bias=False)
        else:
            self.class_correction = nn.Linear(memory.value, e, bias=False)
            self.member_correction = nn.Linear(memory.value, e, bias=False)
            self.expectation_scale = nn.Parameter(torch.ones(2))
        self.value_growth = nn.Parameter(torch.zeros(2))
        self.memory = AssociativeMemory(memory)
        self.gates = nn.Linear(2 * e + 3, len(self.memory.start))
        if not self.embedding.is_meta:
            self.initialise()

    def initialise(self) -> None:
        """Keys start near orthogonal positions; the correction starts as the inverse of the value, strong enough to win."""
        d = self.config.width
        nn.init.normal_(self.key_of_state.weight, std=0.02)
        nn.init.normal_(self.class_query.weight, std=2 * d**-0.5)
        nn.init.normal_(self.member_query.weight, std=2 * d**-0.5)
        nn.init.zeros_(self.gates.weight)
        with torch.no_grad():
            self.key_of_token.weight.mul_(0.5)
            for value in (self.class_value, self.member_value):
                nn.init.orthogonal_(value.weight)
            if not self.within:
                self.class_correction.weight.copy_(32 * self.class_value.weight.mT)
                self.member_correction.weight.copy_(32 * self.member_value.weight.mT)
            self.gates.bias.copy_(self.memory.start)

    def members_of(self, table: Tensor) -> Tensor:
        """A table over places [c·m, ...] by class [c, m, ...]."""
        return table.unflatten(0, (self.config.classes, self.config.members))

    def inputs(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [b, t + convolution − 1, e] of the tokens before each token, and the core's input [b, t, d]."""
        length, last = places.shape[1], self.config.convolution - 1
        start = self.start.expand(len(places), last + 1, -1)
        before = torch.cat([start, self.embedding[places[:, :-1]]], 1)[:, : length + last]
        return before, self.states_of(before[:, last:], self.position[:length])

    def core(self, states: Tensor, context: Tensor | None = None, past: Past | None = None) -> Tensor:
        """Core states [b, t, d] from what enters the core, with what its attention sees besides, see ``join``.

        With ``past`` the states are those of one token [b, 1, d], read after those of ``past``, to which it is added.
        """
        mask = self.visible(states) if past is None else None
        before = (1 if context is None else 2) * (self.config.window - 1)
        for i, block in enumerate(self.blocks):
            states, (keys, values) = block(states, mask, context, past[i] if past else None)
            if past is not None:
                start = max(0, keys.shape[2] - before)
                past[i] = keys[:, :, start:], values[:, :, start:]
        return self.norm(states)

    def visible(self, states: Tensor) -> Tensor:
        """Which earlier tokens each token attends to, bool [t, t]."""
        at = torch.arange(states.shape[1], device=states.device)
        age = at[:, None] - at[None, :]
        return (age >= 0) & (age < self.config.window)

    def join(self, states: Tensor, reads: Tensor, position: Tensor) -> tuple[Tensor, Tensor | None]:
        """What enters the core [b, t, d] and what its attention sees besides [b, t, d], with ``reads`` [b, t, v] of memory."""
        said = self.state_of_read(reads)
        return (states + said, None) if self.config.joining == "mal" else (states, said + position)

    def context(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Core states [b, t, d] and key features [b, t, k] of each token, computed only from the tokens before it."""
        before, inputs = self.inputs(places)
        states = self.core(inputs)
        return states, self.key_features(before, inputs if self.within else states, self.key_position[: places.shape[1]])

    def states_of(self, embedded: Tensor, position: Tensor) -> Tensor:
        return self.input(embedded) * (self.config.embedding / self.config.width) ** 0.5 + position

    def key_features(self, before: Tensor, states: Tensor, position: Tensor) -> Tensor:
        """Features [b, t, k] of the last t places' keys, from embeddings [b, t + convolution − 1, e] of the tokens before."""
        length, last = states.shape[1], self.config.convolution - 1
        projected = self.key_of_token(before)
        mixed = sum(projected[:, last - j : last - j + length] * self.key_convolution[j] for j in range(last + 1))
        return mixed + position + self.key_of_state(states)

    def keys(self, features: Tensor, rows: Tensor) -> Tensor:
        """Unit keys [b, t, k] whose features from ``rows`` [b] on are zero, so that the memory's later rows stay empty."""
        counted = torch.arange(features.shape[-1], device=features.device) < rows[:, None, None] - self.config.memory.later
        return F.normalize(features.float() * counted, dim=-1)

    def by_class(self, places: Tensor) -> ByClass:
        """Places [b, t], all in one row, sorted by class."""
        return ByClass((places // self.config.members).flatten(), self.config.classes)

    def expected(self, states: Tensor, places: Tensor, by_class: ByClass) -> tuple[Tensor, Tensor]:
        """Logits [b, t, c] of the classes and [b, t, m] of the right class's members, from the core alone."""
        classes = places // self.config.members
        class_logits = self.class_query(states) @ self.class_embedding.mT + self.class_bias
        members = by_class.scores(self.member_query(states).flatten(0, 1), self.members_of(self.embedding))
        return class_logits.float(), members.view(*places.shape, -1).float() + self.members_of(self.member_bias)[classes]

    def surprise(self, places: Tensor, class_logits: Tensor, member_logits: Tensor, by_class: ByClass) -> tuple[Tensor, Tensor, Tensor]:
        """Values [b, t, v] to store, gates [b, t, g] before the sigmoid, and the surprise of each token in nats [b, t, 2]."""
        classes, members = places // self.config.members, places % self.config.members
        with torch.no_grad():
            class_share, member_share = class_logits.softmax(-1), member_logits.softmax(-1)
            nats = torch.cat([-class_logits.log_softmax(-1).gather(-1, classes[..., None]),
                              -member_logits.log_softmax(-1).gather(-1, members[..., None])], -1)  # fmt: skip
        token, class_ = self.embedding[places], self.class_embedding[classes]
        member_mean, class_mean = torch.zeros_like(token), torch.zeros_like(class_)
        if self.config.memory.store_surprise:
            with torch.no_grad():
                member_mean = by_class.scores(member_share.flatten(0, 1), self.members_of(self.embedding).mT).view(*places.shape, -1)
                class_mean = class_share @ self.class_embedding
        size = 1 + self.value_growth * nats / NATS
        values = self.class_value(class_ - class_mean) * size[..., :1] + self.member_value(token - member_mean) * size[..., 1:]
        facts = torch.cat([token, class_, nats / NATS, nats.prod(-1, keepdim=True) / NATS**2], -1)
        return values, self.gates(facts), nats

    def study(self, tokens: Tensor, lengths: Tensor) -> Lesson:
        """Read segments ``tokens`` [b, t] of ``lengths`` [b] tokens; padding may have any id."""
        valid = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        places = self.place_of_token[tokens]
        states, features = self.context(places)
        by_class = self.by_class(places)
        class_logits, member_logits = self.expected(states, places, by_class)
        values, gates, nats = self.surprise(places, class_logits, member_logits, by_class)
        total = (nats.sum(-1) * valid).sum(1)
        return Lesson(places, valid, class_logits, member_logits, features, values, gates, total)

    def corrections(self) -> tuple[Tensor, Tensor] | None:
        """The factors by which a read [v] changes the logits of classes [c, v] and of tokens [c·m, v].

        None with mac and mal, where reads go through the core.
        """
        if self.within:
            return None
        return self.class_embedding @ self.class_correction.weight, self.embedding @ self.member_correction.weight

    def recited(self, lesson: Lesson, reads: Tensor, by_class: ByClass, tables: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Logits [b, t, c] and [b, t, m] with the memory's ``reads`` [b, t, v] and the ``corrections``; differentiable."""
        if tables is None:
            _, inputs = self.inputs(lesson.places)
            states = self.core(*self.join(inputs, reads, self.position[: inputs.shape[1]]))
            return self.expected(states, lesson.places, by_class)
        class_table, member_table = tables
        scale = self.expectation_scale
        read = reads.flatten(0, 1)
        class_logits = torch.addmm(lesson.class_logits.flatten(0, 1) * scale[0], read, class_table.mT)
        members = by_class.scores(read, self.members_of(member_table))
        member_logits = members.add_(lesson.member_logits.flatten(0, 1) * scale[1])
        return class_logits.view_as(lesson.class_logits), member_logits.view_as(lesson.member_logits)


def padded(segments: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids [b, t] of segments of several lengths, short ones filled with 0, and their lengths [b]."""
    lengths = torch.tensor([len(segment) for segment in segments])
    tokens = torch.zeros(len(segments), int(lengths.max()), dtype=torch.long)
    for row, segment in zip(tokens, segments, strict=True):
        row[: len(segment)] = torch.tensor(segment)
    return tokens, lengths


def load_memorizer(device: torch.device, folder: Path = WEIGHTS) -> Memorizer:
    """The memorizer with the weights in ``folder``, the shipped ones by default. Raises WeightsError."""
    return load_network(folder / "memorizer.safetensors", lambda config: Memorizer(MemorizerConfig.from_dict(config)), device)
