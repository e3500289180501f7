"""Train the reader: answers as spans, yes, no or nothing, by one softmax over the windows of a question.

    python -m model.training.reader --data reader_data.npz --start start.pt --out checkpoints/reader --minutes 7.5 --device cuda

A question's passage stands among passages with like words (TF-IDF), packed as they are for answering; some questions lack their
passage. One softmax covers the spans of all windows, yes, no and nothing (Clark and Gardner 2018, arXiv 1710.10723: shared
normalisation). Questions with inferred answers count only while the reader does not find them absurd (Kang and Hashimoto 2020,
arXiv 2004.14589: loss truncation). Weights are bfloat16 with float32 masters on CUDA; biases of relative position stay as they are.
"""

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model.bert import PAD, SEPARATOR, START
from model.reader.network import NO, NOTHING, YES, ReaderConfig, ReaderNetwork
from model.training.reader_data import KINDS, LONGEST_ANSWER, NOISY
from model.training.scoring import best, exact_match, f1

__all__ = ["Questions", "train"]

WINDOW = 384
"""Most tokens of a window of passages; stories may have ``LONGEST`` tokens."""
LONGEST = 412
STEP_TOKENS = 36_000
"""Tokens of a step on CUDA, padding included."""
CHUNK = 600
NEIGHBOURS = 10
WITHOUT = 0.08
"""Share of answerable questions that are asked without their passage."""
ABSURD = 6.0
"""Nats above which a noisy example's loss is not counted."""
SHARES = {  # how often an example of each source is taken in one round
    "squad11": 1.6, "squad_train_nqg44": 1.2, "squad_train_silver": 0.8, "typed": 0.5, "squadshifts_reddit": 0.7,
    "squadshifts_amazon_reviews": 0.7, "policyqa_dev": 0.3, "policyqa_test": 0.3, "subjqa": 0.25, "fairytaleqa": 0.7, "friendsqa": 0.4,
    "molweni": 0.4, "torque": 0.15, "ester": 0.3, "quoref": 1.0, "mctest": 0.7, "qamr_sample": 0.3, "qamr_more": 0.3, "ropes": 0.5,
    "boolq": 2.5, "pubmedqa": 1.5, "covidqa": 1.5, "wikitables": 2.5, "search_questions": 6.0, "medquad_gists": 0.3, "rules": 0.6,
    "tables": 0.8, "everyday": 2.5, "invented": 3.0, "identifiers": 0.6, "numbers": 1.0, "broken": 0.7, "stories": 0.9, "babi": 1.0,
    "squad20_unanswerable": 1.0, "filler": 0.0,
}  # fmt: skip


class Questions:
    """The packed training questions, see ``reader_data.py``."""

    def __init__(self, path: Path):
        packed = np.load(path)
        self.rows, self.sources = packed["rows"], [str(s) for s in packed["sources"]]
        self.tokens, self.asked = packed["passages"], packed["questions"]
        self.starts = np.concatenate([[0], packed["passages_sizes"].astype(np.int64).cumsum()])
        self.asked_starts = np.concatenate([[0], packed["questions_sizes"].astype(np.int64).cumsum()])
        self.spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for example, first, last in packed["spans"].tolist():
            self.spans[example].append((first, last))
        self.by_source = [np.flatnonzero(self.rows[:, 0] == i) for i in range(len(self.sources))]
        self.filler = self.rows[self.by_source[self.sources.index("filler")], 1]
        self.near: np.ndarray | None = None

    def passage(self, number: int) -> np.ndarray:
        return self.tokens[self.starts[number] : self.starts[number + 1]]

    def question(self, example: int) -> np.ndarray:
        return self.asked[self.asked_starts[example] : self.asked_starts[example + 1]]

    def round(self, rng: random.Random) -> list[int]:
        """Examples of one round, each source in its share."""
        chosen: list[int] = []
        for name, members in zip(self.sources, self.by_source, strict=True):
            whole, part = divmod(SHARES[name], 1)
            chosen += members.tolist() * int(whole) + rng.sample(members.tolist(), int(part * len(members)))
        rng.shuffle(chosen)
        return chosen


@torch.inference_mode()
def mine(questions: Questions, device: torch.device) -> np.ndarray:
    """The passages nearest to each example's question, int32 [e, n], by the cosine of TF-IDF."""
    count, vocabulary = len(questions.starts) - 1, 30_522
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    owner = torch.from_numpy(np.repeat(np.arange(count), np.diff(questions.starts))).to(device)
    token = torch.from_numpy(questions.tokens.astype(np.int64)).to(device)
    held = torch.zeros(count, vocabulary, dtype=kind, device=device)
    held.index_put_((owner, token), torch.ones((), dtype=kind, device=device))
    frequency = held.sum(0, dtype=torch.float32)
    weight = torch.log((count + 1) / (frequency + 0.5)).clamp_min(0)
    held *= weight.to(kind)
    length = torch.cat([part.float().square().sum(1) for part in held.split(4096)]).sqrt().clamp_min(1e-6) + 20.0
    near = []
    total = len(questions.rows)
    for first in range(0, total, 2048):
        some = range(first, min(first + 2048, total))
        row = np.repeat(np.arange(len(some)), np.diff(questions.asked_starts[first : some[-1] + 2]))
        ids = questions.asked[questions.asked_starts[first] : questions.asked_starts[some[-1] + 1]].astype(np.int64)
        asked = torch.zeros(len(some), vocabulary, dtype=kind, device=device)
        asked.index_put_((torch.from_numpy(row).to(device), torch.from_numpy(ids).to(device)), torch.ones((), dtype=kind, device=device))
        scores = (asked * weight.to(kind)) @ held.mT / length.to(kind)
        near.append(scores.topk(NEIGHBOURS, 1).indices.int().cpu().numpy())
    return np.concatenate(near)


@dataclass
class Group:
    """A question's windows; ``spans`` are (window, first token, last token) of its answers, none with another kind than span."""

    windows: list[list[int]]
    spans: list[tuple[int, int, int]]
    kind: int
    noisy: bool

    @property
    def longest(self) -> int:
        return max(map(len, self.windows))


def crop(size: int, low: int, high: int, rng: random.Random) -> tuple[int, int]:
    """A stretch, as long as recitations are, that holds ``low`` to ``high``."""
    length = min(max(rng.randint(60, 320), high - low), size)
    first = rng.randint(max(0, high - length), min(low, size - length))
    return first, first + length


def make_group(q: Questions, example: int, rng: random.Random) -> Group:
    """The example's passage among near ones that do not hold its answer, packed as they are for answering."""
    source, own, kind = q.rows[example].tolist()
    asked = q.question(example).tolist()
    name = q.sources[source]
    spans = list(dict.fromkeys(q.spans.get(example, [])))
    if name in ("stories", "babi"):
        return story_group(q, own, asked, spans, rng)
    passage = q.passage(own)
    assert q.near is not None
    answers = [passage[a : z + 1].tobytes() for a, z in spans]
    others = [n for n in q.near[example].tolist() if n != own and not any(a in q.passage(n).tobytes() for a in answers)]
    others = others[: rng.choices((0, rng.randint(1, 2), rng.randint(3, 5)), (0.35, 0.4, 0.25))[0]]
    pieces: list[tuple[bool, int, np.ndarray]] = []
    for n in others:
        tokens = q.passage(n)
        first, after = crop(len(tokens), middle := rng.randrange(len(tokens)), middle + 1, rng)
        pieces.append((False, first, tokens[first:after]))
    room = WINDOW - len(asked) - 2
    if kind == KINDS.index("span") and others and rng.random() < WITHOUT:
        kind = KINDS.index("nothing")
    else:
        start, end = rng.choice(spans) if spans else (0, min(len(passage), 320) - 1)
        first, after = crop(len(passage), start, end + 1, rng) if spans else (0, min(len(passage), room - 1))
        pieces.append((True, first, passage[first : min(after, first + room - 1)]))
    rng.shuffle(pieces)
    windows, found = [], []
    used = room + 1
    for right, first, tokens in pieces:
        if used + len(tokens) + 1 > room:
            windows.append([START, *asked, SEPARATOR])
            used = 0
        at = len(windows[-1])
        windows[-1] += [*tokens.tolist(), SEPARATOR]
        used += len(tokens) + 1
        if right and kind == KINDS.index("span"):
            found += [(len(windows) - 1, a - first + at, z - first + at) for a, z in spans if a >= first and z < first + len(tokens)]
    if kind == KINDS.index("span") and not found:
        kind = KINDS.index("nothing")
    return Group(windows, found, kind, name in NOISY)


def story_group(q: Questions, own: int, asked: list[int], spans: list[tuple[int, int]], rng: random.Random) -> Group:
    """The story's facts in order with sentences of other texts between them, as far as there is room."""
    tokens = q.passage(own).tolist()
    window, moved = [START, *asked, SEPARATOR], {}
    room = LONGEST - len(tokens) - len(window) - 1
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
    return Group([window], [(0, moved[a], moved[z]) for a, z in spans], 0, False)


@dataclass
class Batch:
    ids: Tensor  # int64 [w, t]
    owner: Tensor  # int64 [w]: number of each window's question
    kinds: Tensor  # int64 [g]
    noisy: Tensor  # bool [g]
    spans: Tensor  # int64 [s, 4]: question, window, first and last token


def collate(groups: list[Group]) -> Batch:
    windows = [w for g in groups for w in g.windows]
    size = max(map(len, windows)) + 4
    size += -size % 32 - 4
    ids = np.zeros((len(windows), size), np.int64)
    for row, window in zip(ids, windows, strict=True):
        row[: len(window)] = window
    owner = [i for i, g in enumerate(groups) for _ in g.windows]
    firsts = np.cumsum([0, *(len(g.windows) for g in groups)])
    spans = [(i, int(firsts[i]) + w, a, z) for i, g in enumerate(groups) for w, a, z in g.spans]
    return Batch(
        torch.from_numpy(ids),
        torch.tensor(owner),
        torch.tensor([g.kind for g in groups]),
        torch.tensor([g.noisy for g in groups]),
        torch.tensor(spans, dtype=torch.long).reshape(-1, 4),
    )


def batches(groups: list[Group], tokens: int, rng: random.Random) -> list[Batch]:
    """Groups of like length together, ``tokens`` with padding in each batch."""
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
    """Batches without end; each worker has its own seed."""

    def __init__(self, questions: Questions, tokens: int, seed: int):
        self.questions, self.tokens, self.seed = questions, tokens, seed

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        rng = random.Random(self.seed * 1000 + (worker.id if worker else 0))
        while True:
            examples = self.questions.round(rng)
            for first in range(0, len(examples) - CHUNK + 1, CHUNK):
                groups = [make_group(self.questions, e, rng) for e in examples[first : first + CHUNK]]
                yield from batches([g for g in groups if g.windows], self.tokens, rng)


def pieces_of(ids: Tensor) -> Tensor:
    """Number of each token's piece [w, t]: the question is piece 0, what cannot be pointed at −1."""
    ends = ids == SEPARATOR
    number = ends.long().cumsum(1)
    return number.masked_fill(ends | (ids == START) | (ids == PAD) | (number == 0), -1)


def reading_loss(network: ReaderNetwork, batch: Batch, truncate: bool) -> tuple[Tensor, Tensor]:
    """Mean of minus the log-probabilities of the answers, and the losses of all questions [g]."""
    pairs, special = network(batch.ids)
    piece = pieces_of(batch.ids)
    size = batch.ids.shape[1]
    band = torch.ones(size, size, dtype=torch.bool, device=pairs.device).triu().tril(LONGEST_ANSWER)
    allowed = band & (piece[:, :, None] == piece[:, None, :]) & (piece >= 0)[:, :, None]
    nothing = special[:, NOTHING]
    pairs = (pairs - nothing[:, None, None]).masked_fill(~allowed, -1e9)
    said = special[:, YES : NO + 1] - nothing[:, None]
    totals = torch.cat([pairs.flatten(1), said], 1).logsumexp(1)
    count = len(batch.kinds)
    total = grouped_logsumexp(
        torch.cat([totals, totals.new_zeros(count)]), torch.cat([batch.owner, torch.arange(count, device=totals.device)]), count
    )
    question, window, first, last = batch.spans.unbind(1)
    right = grouped_logsumexp(pairs[window, first, last], question, count)
    for kind in (YES, NO):
        spoken = grouped_logsumexp(said[:, kind - YES], batch.owner, count)
        right = torch.where(batch.kinds == KINDS.index("yes" if kind == YES else "no"), spoken, right)
    right = torch.where(batch.kinds == KINDS.index("nothing"), torch.zeros_like(right), right)
    losses = total - right
    counted = ~(batch.noisy & (losses > ABSURD)) if truncate else torch.ones_like(batch.noisy)
    return (losses * counted).sum() / count, losses.detach()


def grouped_logsumexp(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Log of the sum of exponentials of the values [n] of each owner [n]: float32 [count]; very small where there is none."""
    top = torch.full((count,), -1e9, device=values.device).scatter_reduce(0, owner, values.detach(), "amax")
    sums = torch.zeros(count, device=values.device).index_add(0, owner, (values - top[owner]).exp())
    return sums.clamp_min(1e-30).log() + top


class Masters:
    """Float32 copies of bfloat16 parameters, which the optimiser moves; on the CPU the parameters themselves."""

    def __init__(self, network: nn.Module, rate: float):
        self.parameters: list[Tensor] = [p for p in network.parameters() if p.requires_grad]
        self.copied = self.parameters[0].dtype != torch.float32
        self.masters: list[Tensor] = [p.detach().float().clone() for p in self.parameters] if self.copied else self.parameters
        heads = {id(p) for name in ("span", "first", "last", "special") for p in getattr(network, name).parameters()}
        heads.add(id(network.persistent))
        split: tuple[list, list] = ([], [])
        for parameter, master in zip(self.parameters, self.masters, strict=True):
            split[id(parameter) in heads].append(master)
        self.optimiser = torch.optim.AdamW(
            [{"params": split[0], "factor": 1.0}, {"params": split[1], "factor": 8.0}], lr=rate, weight_decay=0.01, betas=(0.9, 0.98),
            fused=self.parameters[0].is_cuda,
        )  # fmt: skip

    def step(self, rate: float) -> None:
        for part in self.optimiser.param_groups:
            part["lr"] = rate * part["factor"]
        if self.copied:
            for master, parameter in zip(self.masters, self.parameters, strict=True):
                assert parameter.grad is not None
                master.grad = parameter.grad.float()
        torch.nn.utils.clip_grad_norm_(self.masters, 1.0)
        self.optimiser.step()
        if self.copied:
            with torch.no_grad():
                for master, parameter in zip(self.masters, self.parameters, strict=True):
                    parameter.copy_(master)
        for parameter in self.parameters:
            parameter.grad = None

    def load_into(self, network: nn.Module) -> None:
        """Put the float32 weights into a float32 network of the same shape."""
        targets = [p for p in network.parameters() if p.requires_grad]
        with torch.no_grad():
            for target, master in zip(targets, self.masters, strict=True):
                target.copy_(master)


@torch.inference_mode()
def evaluate(network: ReaderNetwork, rows: list[dict], batch: int = 96) -> dict[str, dict[str, float]]:
    """Scores by source with the right passage alone: EM and F1 of the best span, with refusals wrong, shares of yes, no and nothing right."""
    device = network.persistent.device
    results: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    rows = sorted(rows, key=lambda row: len(row["ids"]))
    for first in range(0, len(rows), batch):
        some = rows[first : first + batch]
        windows = [[START, *r["question"], SEPARATOR, *r["ids"][: 490 - len(r["question"])], SEPARATOR] for r in some]
        ids = collate([Group([w], [], 0, False) for w in windows]).ids.to(device)
        pairs, special = network(ids)
        size = ids.shape[1]
        band = torch.ones(size, size, dtype=torch.bool, device=device).triu().tril(LONGEST_ANSWER)
        pairs = pairs.masked_fill(~(band & (pieces_of(ids) > 0)[:, :, None] & (pieces_of(ids) > 0)[:, None, :]), -torch.inf)
        scores, places = pairs.flatten(1).max(1)
        for row, score, place, kinds in zip(some, scores.tolist(), places.tolist(), special.tolist(), strict=True):
            shift = len(row["question"]) + 2
            a, z = divmod(place, size)
            offsets = row["offsets"]
            said = row["context"][offsets[a - shift][0] : offsets[min(z - shift, len(offsets) - 1)][1]]
            kept = results[row["source"]]
            if not row["answers"]:
                kept["refused"].append(kinds[NOTHING] > max(score, kinds[YES], kinds[NO]))
            elif not row["span"]:
                kept["yes_no"].append(("yes" if kinds[YES] > kinds[NO] else "no") == row["answers"][0].lower())
            else:
                kept["em"].append(best(exact_match, said, row["answers"]))
                kept["f1"].append(best(f1, said, row["answers"]))
                kept["answered_f1"].append(kept["f1"][-1] if score > kinds[NOTHING] else 0.0)
    return {name: {metric: round(float(np.mean(v)), 4) for metric, v in kept.items()} for name, kept in results.items()}


def train(
    data: Path, start: Path, out: Path, minutes: float, rate: float, device: torch.device, layers: int, tokens: int, workers: int
) -> None:
    begun = time.monotonic()
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = True
    config = ReaderConfig(layers=layers)
    network = ReaderNetwork(config)
    if start.exists():
        network.load_state_dict(unpack(torch.load(start)), strict=layers == 12)
    network.relative.requires_grad_(False)
    network.to(device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    questions = Questions(data)
    development = json.loads(data.with_suffix(".development.json").read_text())
    if (near := data.with_suffix(".near.npy")).exists():
        questions.near = np.load(near)
    else:
        questions.near = mine(questions, device)
        np.save(near, questions.near)
    torch.cuda.empty_cache()
    print(
        f"{len(questions.rows):,} questions, a round has {len(questions.round(random.Random(0))):,}; ready after {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    loader = iter(
        torch.utils.data.DataLoader(
            Stream(questions, tokens, 1), batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None
        )
    )
    masters = Masters(network, rate)
    trained, reported, step, seen, asked = time.monotonic(), 0.0, 0, 0, 0
    mean = None
    while (used := (time.monotonic() - trained) / (minutes * 60)) < 1:
        batch = next(loader)
        batch = Batch(*(t.to(device, non_blocking=True) for t in vars(batch).values()))
        loss, _ = reading_loss(network, batch, truncate=step > 300)
        loss.backward()
        masters.step(rate * min(1.0, (step + 1) / 150) * max(0.01, 1 - used))
        step += 1
        seen, asked = seen + batch.ids.numel(), asked + len(batch.kinds)
        mean = loss.detach() if mean is None else 0.98 * mean + 0.02 * loss.detach()
        if used * minutes * 60 - reported > 20:
            reported = used * minutes * 60
            if not mean.isfinite():
                raise SystemExit(f"The loss is {mean.item()} at step {step}.")
            print(f"step {step} {reported:.0f} s, {asked:,} questions, {seen / reported:,.0f} tokens/s, loss {mean.item():.3f}", flush=True)
    del loader
    full = ReaderNetwork(config).to(device)
    full.load_state_dict(network.state_dict())
    full.relative.requires_grad_(False)
    masters.load_into(full)
    out.mkdir(parents=True, exist_ok=True)
    torch.save({name: tensor.cpu() for name, tensor in full.state_dict().items()}, out / "reader.pt")
    print(f"trained {step} steps, {seen / 1e6:.1f} M tokens; all {time.monotonic() - begun:.0f} s", flush=True)
    print(json.dumps(evaluate(network, development)), flush=True)


def unpack(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float32 weights of a file of 8-bit rows with their scales."""
    return {
        name: tensor.float() * state[f"{name}.scale"].float() if f"{name}.scale" in state else tensor.float()
        for name, tensor in state.items()
        if not name.endswith(".scale")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "start", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=STEP_TOKENS)
    parser.add_argument("--workers", type=int, default=12)
    given = parser.parse_args()
    train(given.data, given.start, given.out, given.minutes, given.rate, given.device, given.layers, given.tokens, given.workers)


if __name__ == "__main__":
    main()
