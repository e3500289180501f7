"""Train the reader: answers as spans, yes, no or nothing, by one softmax over the windows of a question.

    python -m model.training.reader_data --data QA_TRAIN --development QA_DEV --text TEXT --babi BABI --out reader_data.npz
    python -m model.training.reader --data reader_data.npz --start model.safetensors --checkpoint checkpoints/reader.pt --minutes 7.5
    python -m model.training.reader_export --checkpoint checkpoints/reader.pt --data reader_data.npz --out model/weights/reader.safetensors

``--start`` takes all-mpnet-base-v2's model.safetensors (see ``reader_start.py``) or the checkpoint of another run to go on from. A run
whose own checkpoint exists resumes from it. The shipped weights took 7.5 minutes of an H100; elsewhere give more ``--minutes``, fewer
``--tokens`` and fewer ``--workers``.

A question's passage stands among passages with like words (TF-IDF), packed as they are for answering; some questions lack their
passage (``reader_windows.py``); the loss is in ``reader_losses.py``. Weights are bfloat16 with float32 masters on CUDA; biases of
relative position stay as they are.
"""

import argparse
import copy
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from model.reader.network import ReaderConfig, ReaderNetwork
from model.runtime import choose_device
from model.training.checkpoint import resume, save
from model.training.reader_evaluation import evaluate
from model.training.reader_losses import reading_loss
from model.training.reader_questions import Questions, nearest_passages
from model.training.reader_start import start_reader
from model.training.reader_windows import Stream

__all__ = ["Masters", "Settings", "train"]

WARMUP = 150
"""Steps in which the rate rises."""
TRUST = 300
"""Steps after which noisy questions may be left out of the loss."""
HEAD_FACTOR = 8.0
"""How much faster than the encoder the parts that start from nothing learn."""
HEADS = ("persistent", "span", "first", "last", "special")
REPORT_SECONDS = 20
SAVE_SECONDS = 180


@dataclass(frozen=True)
class Settings:
    """One run of training."""

    data: Path  # the file of reader_data.py
    start: Path | None  # all-mpnet-base-v2's safetensors or a checkpoint; random weights when None
    checkpoint: Path
    minutes: float  # of training, in all runs together
    rate: float  # highest learning rate of the encoder
    device: torch.device
    tokens: int  # of a step, padding included
    workers: int  # processes that make batches; 0 makes them in this one
    config: ReaderConfig


class Masters:
    """The float32 weights that the optimiser moves: a copy of those of a bfloat16 network, or a float32 network's own."""

    def __init__(self, network: ReaderNetwork, rate: float):
        self.network = network
        self.full = network if network.persistent.dtype == torch.float32 else copy.deepcopy(network).float()
        split: tuple[list, list] = ([], [])
        for name, parameter in self.full.named_parameters():
            if parameter.requires_grad:
                split[name.split(".")[0] in HEADS].append(parameter)
        groups = [{"params": split[0], "factor": 1.0}, {"params": split[1], "factor": HEAD_FACTOR}]
        self.optimiser = torch.optim.AdamW(groups, lr=rate, weight_decay=0.01, betas=(0.9, 0.98), fused=network.device.type == "cuda")

    def step(self, rate: float) -> None:
        """Move the weights along the gradients of the network, which are cleared."""
        for part in self.optimiser.param_groups:
            part["lr"] = rate * part["factor"]
        pairs = [(p, m) for p, m in zip(self.network.parameters(), self.full.parameters(), strict=True) if p.requires_grad]
        if self.full is not self.network:
            for parameter, master in pairs:
                master.grad = None if parameter.grad is None else parameter.grad.float()
        torch.nn.utils.clip_grad_norm_([master for _, master in pairs], 1.0)
        self.optimiser.step()
        self.write_back()
        self.network.zero_grad()

    @torch.no_grad()
    def write_back(self) -> None:
        """Put the weights into the network, rounded to its precision."""
        if self.full is not self.network:
            for parameter, master in zip(self.network.parameters(), self.full.parameters(), strict=True):
                parameter.copy_(master)


def load_questions(data: Path, device: torch.device) -> Questions:
    """The packed questions and the passages near each, which are kept in a file beside them."""
    questions = Questions(data)
    near = data.with_suffix(".near.npy")
    if not near.exists():
        np.save(near, nearest_passages(questions, device))
        if device.type == "cuda":
            torch.cuda.empty_cache()
    questions.near = np.load(near)
    return questions


class Trainer:
    """A run's network, its weights and optimiser, and how far it is."""

    def __init__(self, settings: Settings):
        self.settings = settings
        network = start_reader(None if settings.checkpoint.exists() else settings.start, settings.config)
        network.relative.requires_grad_(False)
        self.network = network.to(settings.device, torch.bfloat16 if settings.device.type == "cuda" else torch.float32)
        self.masters = Masters(self.network, settings.rate)
        self.step, self.seconds = 0, 0.0
        if settings.checkpoint.exists():
            self.step, self.seconds = resume(settings.checkpoint, self.masters.full, self.masters.optimiser)
            self.masters.write_back()

    def save(self) -> None:
        self.settings.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        save(self.settings.checkpoint, self.masters.full, self.settings.config, self.masters.optimiser, self.step, self.seconds)

    def run(self, questions: Questions) -> None:
        """Train until the time is over, the rate falling to a hundredth; saves every three minutes and at the end."""
        settings, workers = self.settings, self.settings.workers
        stream = Stream(questions, settings.tokens, 1 + self.step)
        loader = iter(DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None))
        before, begun = self.seconds, time.monotonic() - self.seconds
        reported = saved = before
        tokens, asked, mean = 0, 0, None
        while (used := (time.monotonic() - begun) / (settings.minutes * 60)) < 1:
            batch = next(loader).to(settings.device)
            loss, _ = reading_loss(self.network, batch, truncate=self.step > TRUST)
            loss.backward()
            self.masters.step(settings.rate * min(1.0, (self.step + 1) / WARMUP) * max(0.01, 1 - used))
            self.step += 1
            self.seconds = used * settings.minutes * 60
            tokens, asked = tokens + batch.ids.numel(), asked + len(batch.kinds)
            mean = loss.detach() if mean is None else 0.98 * mean + 0.02 * loss.detach()
            if self.seconds - reported > REPORT_SECONDS:
                reported = self.seconds
                if not mean.isfinite():
                    raise SystemExit(f"The loss is {mean.item()} at step {self.step}; the checkpoint before it stands.")
                speed = f"{asked:,} questions, {tokens / (reported - before):,.0f} tokens/s"
                print(f"step {self.step} {reported:.0f} s, {speed}, loss {mean.item():.3f}", flush=True)
                if reported - saved > SAVE_SECONDS:
                    saved = reported
                    self.save()
        self.save()


def train(settings: Settings) -> None:
    """Train for ``minutes`` of wall time in all (resumed time counts), then report scores on the development questions."""
    begun = time.monotonic()
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = True
    trainer = Trainer(settings)
    questions = load_questions(settings.data, settings.device)
    a_round = len(questions.round(random.Random(0)))
    print(f"{len(questions.rows):,} questions, a round has {a_round:,}; ready after {time.monotonic() - begun:.0f} s", flush=True)
    trainer.run(questions)
    print(f"step {trainer.step}; all {time.monotonic() - begun:.0f} s", flush=True)
    development = json.loads(settings.data.with_suffix(".development.json").read_text())
    print(json.dumps(evaluate(trainer.network, development)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the file of reader_data.py")
    parser.add_argument("--start", type=Path, help="all-mpnet-base-v2's model.safetensors or a checkpoint; random weights when not given")
    parser.add_argument("--checkpoint", type=Path, required=True, help="written every three minutes; resumed from when it exists")
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--device", help="cpu, cuda, cuda:N or mps; the best there is when not given")
    parser.add_argument("--layers", type=int, default=ReaderConfig.layers, help="encoder blocks; the first ones of the start")
    parser.add_argument("--tokens", type=int, default=36_000, help="tokens of a step, padding included")
    parser.add_argument("--workers", type=int, default=12, help="processes that make batches")
    given = vars(parser.parse_args())
    config = ReaderConfig(layers=given.pop("layers"))
    train(Settings(**given | {"device": choose_device(given["device"]), "config": config}))


if __name__ == "__main__":
    main()
