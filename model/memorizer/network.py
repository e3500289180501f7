"""The memorizer: a Titans language model (memory as gate) that writes a segment into a memory and recites it.

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

That is how memory and attention are joined as ``mag``, the shipped way. ``MemorizerConfig.joining`` has the others:

    lmm      memory alone: as above, without attention
    mal      memory as a layer: k_t comes from tokens and position, and U k_t M is added to what enters the core
    mac      memory as context: the same, but the core's attention sees U k_t M as another token beside each of its own

With mal and mac the recited logits are the core's own, with the memory's reads; the expected ones are those without.
"""

# b segment · t token · d model feature · e embedding feature · c class · m member · k key feature · v value feature

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import MemorizerConfig
from model.memorizer.associative import AssociativeMemory
from model.memorizer.class_softmax import ByClass
from model.memorizer.quantization import dequantise, quantise, quantise_compensated
from model.weights_file import WEIGHTS, load_network

__all__ = ["Lesson", "Memorizer", "Written", "load_memorizer"]

SLACK = 4.0
"""Logits beyond the margin by which such a token should win."""
NATS = 8.0
"""Surprise is given to gates in units of this many nats."""


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

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.silu(self.up(self.norm_feedforward(x))))

    def forward(self, x: Tensor, mask: Tensor, context: Tensor | None = None) -> Tensor:
        """Tokens x [b, t, d]; of ``context`` [b, t, d], when there is one, each token sees what stands beside those it sees."""
        query, key, value = self.project(x)
        if context is not None:
            _, more_keys, more_values = self.project(context)
            key, value, mask = torch.cat([key, more_keys], 2), torch.cat([value, more_values], 2), torch.cat([mask, mask], 1)
        return self.finish(x, F.scaled_dot_product_attention(query, key, value, attn_mask=mask))


class Lesson(NamedTuple):
    """All that segments teach a memory: what was expected, what came, and where to store the difference."""

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


class Written(NamedTuple):
    """Memories as they are stored, and which of them recite their segment exactly."""

    codes: Tensor  # uint8 [b, k, v]
    scales: Tensor  # float16 [b]
    rows: Tensor  # int64 [b], rows of each that count
    exact: Tensor  # bool [b]


class Memorizer(nn.Module):
    """See the module's docstring. Inputs are token ids [b, t], t ≤ ``config.segment``."""

    place_of_token: Tensor

    def __init__(self, config: MemorizerConfig):
        super().__init__()
        self.config = config
        d, e, memory = config.width, config.embedding, config.memory
        self.register_buffer("place_of_token", torch.arange(config.vocabulary))
        self.embedding = nn.Parameter(torch.randn(config.vocabulary, e) * e**-0.5)  # in the order of places
        self.class_embedding = nn.Parameter(torch.randn(config.classes, e) * e**-0.5)
        self.member_bias = nn.Parameter(torch.zeros(config.vocabulary))
        self.class_bias = nn.Parameter(torch.zeros(config.classes))
        self.start = nn.Parameter(torch.randn(e) * e**-0.5)
        self.input = nn.Linear(e, d, bias=False)
        self.position = nn.Parameter(torch.randn(config.segment, d) * 0.02)
        self.within = config.joining in ("mac", "mal")  # reads enter the core
        self.blocks = nn.ModuleList(Block(config) for _ in range(0 if config.joining == "lmm" else config.layers))
        self.norm = nn.LayerNorm(d)
        self.class_query = nn.Linear(d, e, bias=False)
        self.member_query = nn.Linear(d, e, bias=False)
        self.key_of_token = nn.Linear(e, memory.key, bias=False)
        taps = torch.tensor([0.8**j for j in range(config.convolution)])[:, None]
        self.key_convolution = nn.Parameter(taps * torch.randn(config.convolution, memory.key).sign())
        self.key_of_state = nn.Linear(d, memory.key, bias=False)
        square = max(config.segment, memory.key)
        self.key_position = nn.Parameter(torch.linalg.qr(torch.randn(square, square))[0][: config.segment, : memory.key].clone())
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
        """Embeddings [b, t + convolution − 1, e] of the tokens before each, and what enters the core [b, t, d]."""
        length, last = places.shape[1], self.config.convolution - 1
        start = self.start.expand(len(places), last + 1, -1)
        before = torch.cat([start, self.embedding[places[:, :-1]]], 1)[:, : length + last]
        return before, self.states_of(before[:, last:], self.position[:length])

    def core(self, states: Tensor, reads: Tensor | None = None) -> Tensor:
        """Core states [b, t, d] from what enters the core, joined with ``reads`` [b, t, v] by mac and mal."""
        context = None
        if reads is not None:
            states, context = self.join(states, reads, self.position[: states.shape[1]])
        age = torch.arange(states.shape[1], device=states.device)
        age = age[:, None] - age[None, :]
        mask = (age >= 0) & (age < self.config.window)
        for block in self.blocks:
            states = block(states, mask, context)
        return self.norm(states)

    def join(self, states: Tensor, reads: Tensor, position: Tensor) -> tuple[Tensor, Tensor | None]:
        """What enters the core [b, t, d] and what its attention sees besides [b, t, d], with ``reads`` [b, t, v] of memory."""
        said = self.state_of_read(reads)
        return (states + said, None) if self.config.joining == "mal" else (states, said + position)

    def context(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Core states [b, t, d] and key features [b, t, k] at each token, from the tokens before it alone."""
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
        """Unit keys [b, t, k] whose features from ``rows`` [b] on are zero, so that a memory's later rows stay empty."""
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
        """Values [b, t, v] to be stored, gates [b, t, g] before the sigmoid, and each token's surprise in nats [b, t, 2]."""
        classes, members = places // self.config.members, places % self.config.members
        with torch.no_grad():
            class_share, member_share = class_logits.softmax(-1), member_logits.softmax(-1)
            nats = torch.cat([-class_logits.log_softmax(-1).gather(-1, classes[..., None]),
                              -member_logits.log_softmax(-1).gather(-1, members[..., None])], -1)  # fmt: skip
        token, class_ = self.embedding[places], self.class_embedding[classes]
        member_mean, class_mean = torch.zeros_like(token), torch.zeros_like(class_)
        if self.config.memory.residual:
            with torch.no_grad():
                member_mean = by_class.scores(member_share.flatten(0, 1), self.members_of(self.embedding).mT).view(*places.shape, -1)
                class_mean = class_share @ self.class_embedding
        size = 1 + self.value_growth * nats / NATS
        values = self.class_value(class_ - class_mean) * size[..., :1] + self.member_value(token - member_mean) * size[..., 1:]
        facts = torch.cat([token, class_, nats / NATS, nats.prod(-1, keepdim=True) / NATS**2], -1)
        return values, self.gates(facts), nats

    def study(self, tokens: Tensor, lengths: Tensor) -> Lesson:
        """Read segments ``tokens`` [b, t], of which ``lengths`` [b] count; the rest is padding of any id."""
        valid = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        places = self.place_of_token[tokens]
        states, features = self.context(places)
        by_class = self.by_class(places)
        class_logits, member_logits = self.expected(states, places, by_class)
        values, gates, nats = self.surprise(places, class_logits, member_logits, by_class)
        total = (nats.sum(-1) * valid).sum(1)
        return Lesson(places, valid, class_logits, member_logits, features, values, gates, total)

    def rows_for(self, lesson: Lesson) -> Tensor:
        """Rows [b] that a memory of each segment is likely to need."""
        memory = self.config.memory
        return self.round_rows(lesson.nats * memory.rows_per_nat + lesson.valid.sum(1) * memory.rows_per_token)

    def round_rows(self, rows: Tensor) -> Tensor:
        memory = self.config.memory
        return ((rows / memory.rows_step).ceil().long() * memory.rows_step).clamp(memory.later + memory.rows_step, memory.rows)

    @torch.no_grad()
    def write(self, tokens: Tensor, lengths: Tensor) -> Written:
        """Memories of segments ``tokens`` [b, t], of which ``lengths`` [b] count; the rest is padding of any id.

        A memory gets the rows that its text's surprise asks for; when that is not enough, more rows and a slower rounding.
        """
        lesson = self.study(tokens, lengths)
        rows = self.rows_for(lesson)
        written = self.rehearse(lesson, rows)
        while (again := ~written.exact & (written.rows < self.config.memory.rows)).any():
            index = again.nonzero()[:, 0]
            rows[index] = self.round_rows(rows[index] * self.config.memory.rows_more)
            for whole, part in zip(written, self.rehearse(lesson.only(index), rows[index], compensated=True), strict=True):
                whole[index] = part
        return written

    def rehearse(self, lesson: Lesson, rows: Tensor, compensated: bool = False) -> Written:
        """Write memories of ``rows`` [b] rows; then, up to ``config.memory.rounds`` times, push what came back wrong.

        A round solves for the weights at which surprise and forgetting balance (``rehearsal.rehearsal_map``), rounds them,
        and recites with the right tokens before. Where a token does not win by the margin, its target moves along the
        difference to the token that won, so far that the solution wins (the passive-aggressive step of Crammer et al. 2006;
        a target moves its own read by its leverage). Teacher-forced exactness is exactness: if each token follows from the
        right ones before it, then reciting from nothing gives them all.
        """
        memory = self.config.memory
        writer = self.memory.writer(self.keys(lesson.features, rows), lesson.gates, lesson.valid)
        target = lesson.values
        tables = self.corrections()
        all_codes = torch.zeros(len(rows), memory.rows, memory.value, dtype=torch.uint8, device=rows.device)
        all_scales = torch.zeros(len(rows), dtype=torch.float16, device=rows.device)
        left = torch.arange(len(rows), device=rows.device)
        for _ in range(memory.rounds + 1):
            weights = writer.weights(target)
            if compensated and writer.curvature is not None:
                codes, scales = quantise_compensated(weights, rows[left], lesson.valid.sum(1), memory.bits, writer.curvature)
            else:
                codes, scales = quantise(weights, rows[left], memory.bits)
            all_codes[left], all_scales[left] = codes, scales
            reads = self.memory.read(writer.keys, dequantise(codes, scales, memory.bits))
            wrong, push = self.correct(lesson, reads, tables)
            again = wrong.any(1)
            if not again.any():
                left = left[again]
                break
            if not again.all():
                lesson, writer = lesson.only(again), writer.only(again)
                target, push, left = target[again], push[again], left[again]
            target = target + push / writer.leverage
        exact = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
        exact[left] = False
        return Written(all_codes, all_scales, rows.clone(), exact)

    def corrections(self) -> tuple[Tensor, Tensor] | None:
        """What a read [v] is multiplied with to correct the logits of classes [c, v] and of tokens [c·m, v].

        None with mac and mal, where reads go through the core.
        """
        if self.within:
            return None
        return self.class_embedding @ self.class_correction.weight, self.embedding @ self.member_correction.weight

    def recited(self, lesson: Lesson, reads: Tensor, by_class: ByClass, tables: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Logits [b, t, c] and [b, t, m] with what the memory says, ``reads`` [b, t, v], and the ``corrections``; differentiable."""
        if tables is None:
            _, inputs = self.inputs(lesson.places)
            return self.expected(self.core(inputs, reads), lesson.places, by_class)
        class_table, member_table = tables
        scale = self.expectation_scale
        read = reads.flatten(0, 1)
        class_logits = torch.addmm(lesson.class_logits.flatten(0, 1) * scale[0], read, class_table.mT)
        members = by_class.scores(read, self.members_of(member_table))
        member_logits = members.add_(lesson.member_logits.flatten(0, 1) * scale[1])
        return class_logits.view_as(lesson.class_logits), member_logits.view_as(lesson.member_logits)

    def correct(self, lesson: Lesson, reads: Tensor, tables: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Which tokens [b, t] of ``lesson`` are not recited by ``reads`` [b, t, v], and the changes [b, t, v] of reads to mend it."""
        members = self.config.members
        places = lesson.places.flatten()
        classes, member = places // members, places % members
        with torch.set_grad_enabled(self.within):
            reads = reads.detach().requires_grad_(self.within)
            logits = [x.flatten(0, 1) for x in self.recited(lesson, reads, self.by_class(lesson.places), tables)]
            class_lead, class_rival = lead(logits[0], classes)
            member_lead, member_rival = lead(logits[1], member)
        margin = self.config.memory.margin
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

    @torch.inference_mode()
    def recite(self, weights: Tensor, rows: Tensor, length: int) -> Tensor:
        """Token ids [b, ``length``] read back from memories [b, k, v] of ``rows`` [b] rows with no text in hand."""
        count, window = len(weights), self.config.window
        before = self.start.expand(count, self.config.convolution, -1)
        caches: list[tuple[Tensor, Tensor] | None] = [None] * len(self.blocks)
        recited = []
        blocks = [block for block in self.blocks if isinstance(block, Block)]
        table, bias = self.members_of(self.embedding), self.members_of(self.member_bias)
        scale = torch.ones(2, device=weights.device) if self.within else self.expectation_scale
        for t in range(length):
            states, context = self.states_of(before[:, -1:], self.position[t]), None
            if self.within:
                read = self.read_at(t, before, states, weights, rows)
                states, context = self.join(states, read, self.position[t])
            for i, block in enumerate(blocks):
                query, key, value = block.project(states)
                if context is not None:
                    key, value = (torch.cat(pair, 2) for pair in zip((key, value), block.project(context)[1:], strict=True))
                seen = window * key.shape[2]
                if (cache := caches[i]) is not None:
                    key = torch.cat([cache[0], key], 2)[:, :, -seen:]
                    value = torch.cat([cache[1], value], 2)[:, :, -seen:]
                caches[i] = key, value
                states = block.finish(states, F.scaled_dot_product_attention(query, key, value))
            states = self.norm(states)
            class_query, member_query = self.class_query(states), self.member_query(states)
            if not self.within:
                read = self.read_at(t, before, states, weights, rows)
                class_query = class_query * scale[0] + self.class_correction(read)
                member_query = member_query * scale[1] + self.member_correction(read)
            class_ = (class_query @ self.class_embedding.mT + scale[0] * self.class_bias).argmax(-1)[:, 0]
            member = ((member_query @ table[class_].mT)[:, 0] + scale[1] * bias[class_]).argmax(-1)
            before = torch.cat([before[:, 1:], table[class_, member][:, None]], 1)
            recited.append(class_ * self.config.members + member)
        places = torch.stack(recited, 1) if recited else torch.empty(count, 0, dtype=torch.long, device=weights.device)
        return self.place_of_token.argsort()[places]

    def read_at(self, t: int, before: Tensor, states: Tensor, weights: Tensor, rows: Tensor) -> Tensor:
        """What memories say at token t, [b, 1, v], from the embeddings [b, convolution, e] before it and states [b, 1, d]."""
        features = self.key_features(before, states, self.key_position[t : t + 1])
        return self.memory.read(self.keys(features, rows), weights)


def lead(logits: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """By how much each row's ``right`` [r] entry of ``logits`` [r, n] beats the best other one, and that other one.

    Alters ``logits`` unless gradients are wanted.
    """
    score = logits.gather(1, right[:, None])
    hide = logits.scatter if logits.requires_grad else logits.scatter_
    best, rival = hide(1, right[:, None], -torch.inf).max(1)
    return score[:, 0] - best, rival


def load_memorizer(device: torch.device, folder: Path = WEIGHTS) -> Memorizer:
    """The memorizer with the weights in ``folder``, the shipped ones by default. Raises WeightsError."""
    return load_network(folder / "memorizer.safetensors", lambda config: Memorizer(MemorizerConfig.from_dict(config)), device)
