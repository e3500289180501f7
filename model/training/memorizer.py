"""Meta-train the memorizer on one objective: read a segment, then recite it.

    python -m model.training.memorizer --data TEXT_FOLDER --checkpoint checkpoints/memorizer.pt --minutes 75 --classes EMBEDDING.safetensors
    python -m model.training.memorizer --data TEXT_FOLDER --checkpoint checkpoints/memorizer.pt --export model/weights/memorizer.safetensors

Resumes from the checkpoint when there is one. The loss is the cross-entropy of the recitation, differentiated through
the ridge solution; rounding of the stored weights is an error that grows with their spread, so that
training makes memories that bear it. Every segment gets a random number of rows. The plain expectation has a smaller
share, so that the short-term core leaves less to store. Every vocabulary entry is written often: one segment in
sixteen is uniform random tokens, and random tokens are strewn into half of the others.

Classes of tokens come from any embedding of the vocabulary (a tensor ``embedding`` or ``embedding.weight`` [n, d] in
the order of token ids), halved again and again into equal parts that lie close together.
"""

import argparse
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.config import MemorizerConfig
from model.memorizer.class_softmax import bisect
from model.memorizer.network import Memorizer
from model.memorizer.quantization import dequantize, quantize
from model.memorizer.writer import write_rows
from model.networks import load_weights, save_weights
from model.runtime import choose_device, reduced_precision
from model.training.checkpoint import resume, save
from model.training.segments import BATCH, Batches, token_streams

__all__ = ["losses", "train"]

LEAST_ROWS = 64
"""Of a training segment; the most are all that a memory has."""


def losses(model: Memorizer, tokens: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the recitation from memories of ``rows`` [b] rows, and of the plain expectation; both in nats a token."""
    lengths = torch.full((len(tokens),), tokens.shape[1], device=tokens.device)
    with reduced_precision(tokens.device):
        lesson = model.study(tokens, lengths)
    keys = model.keys(lesson.features, rows)
    gates = model.memory.gates(lesson.gates.float(), keys, lesson.valid)
    weights = model.memory.learn(keys, lesson.values.float(), gates)
    bits = model.config.memory.bits
    spread = weights.square().mean((1, 2), keepdim=True).sqrt()
    rounded = dequantize(*quantize(weights.detach(), rows, bits), bits)
    weights = weights + spread * ((rounded - weights) / spread).detach()
    recited = model.recited(lesson, model.memory.read(keys, weights), model.by_class(lesson.places), model.corrections())
    classes, members = lesson.places // model.config.members, lesson.places % model.config.members
    return entropy(*recited, classes, members), entropy(lesson.class_logits, lesson.member_logits, classes, members)


def entropy(class_logits: Tensor, member_logits: Tensor, classes: Tensor, members: Tensor) -> Tensor:
    """Cross-entropy in nats a token of both steps together."""
    return F.cross_entropy(class_logits.flatten(0, 1), classes.flatten()) + F.cross_entropy(member_logits.flatten(0, 1), members.flatten())


@torch.no_grad()
def evaluate(model: Memorizer, streams: dict[str, np.ndarray], segments: int = 32, rows: int = 96) -> dict[str, tuple[float, float]]:
    """By folder: expectation in nats a token, and share of whole segments exact in ``rows`` rows after all rounds."""
    result, device = {}, model.place_of_token.device
    for folder, stream in streams.items():
        n = model.config.segment
        count = min(segments, len(stream) // n)
        tokens = torch.from_numpy(stream[: count * n].astype(np.int64)).view(count, n).to(device)
        lesson = model.study(tokens, torch.full((count,), n, device=device))
        written = write_rows(model, lesson, torch.full((count,), rows, device=device))
        result[folder] = (round(lesson.nats.mean().item() / n, 3), round(written.exact.float().mean().item(), 3))
    return result


@torch.inference_mode()
def fit_rows(model: Memorizer, streams: dict[str, np.ndarray], share: float = 0.9, segments: int = 64) -> MemorizerConfig:
    """The configuration whose ``rows_per_nat`` and ``rows_per_token`` give ``share`` of training segments enough rows at once."""
    memory = model.config.memory
    rng, device = np.random.default_rng(0), model.place_of_token.device
    facts, needs = [], []
    for stream in streams.values():
        for length in (24, 64, 100, model.config.segment):
            starts = rng.integers(0, len(stream) - length, segments // 4)
            tokens = torch.from_numpy(np.stack([stream[s : s + length] for s in starts]).astype(np.int64)).to(device)
            lesson = model.study(tokens, torch.full((len(tokens),), length, device=device))
            need = torch.full((len(tokens),), float(memory.rows + memory.rows_step), device=device)
            for rows in range(memory.rows, memory.later, -2 * memory.rows_step):
                exact = write_rows(model, lesson, torch.full((len(tokens),), rows, device=device)).exact
                need[exact] = rows
                if not exact.any():
                    break
            facts.append(torch.stack([lesson.nats, torch.full_like(lesson.nats, length)], 1))
            needs.append(need)
    all_facts, all_needs = torch.cat(facts), torch.cat(needs)
    weights = torch.linalg.lstsq(all_facts, all_needs[:, None]).solution[:, 0].clamp_min(0)
    weights = weights * torch.quantile(all_needs / (all_facts @ weights), share)
    per_nat, per_token = weights.tolist()
    return replace(model.config, memory=replace(memory, rows_per_nat=round(per_nat, 4), rows_per_token=round(per_token, 4)))


def export_fitted(checkpoint: Path, target: Path, streams: dict[str, np.ndarray]) -> None:
    """Write the checkpoint's weights in float16 to ``target``, with the rows that its memories need."""
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    model = Memorizer(MemorizerConfig.from_dict(saved["config"]))
    model.load_state_dict(saved["model"])
    config = fit_rows(model.eval(), streams)
    print(json.dumps({"rows_per_nat": config.memory.rows_per_nat, "rows_per_token": config.memory.rows_per_token}))
    save_weights(target, saved["model"], config.as_dict())


def train(
    data: Path, checkpoint: Path, minutes: float, rate: float, config: MemorizerConfig, classes: Path | None, device: torch.device
) -> None:
    """Train for ``minutes`` of wall time in all (resumed time counts), the rate falling by a cosine of the time used."""
    torch.manual_seed(0)
    streams = token_streams(data, checkpoint.parent / "train_tokens.npz")
    held_out = token_streams(data, checkpoint.parent / "held_out_tokens.npz", held_out=True)
    model = Memorizer(config)
    if classes:
        order = bisect(embedding_of(classes), int(math.log2(config.classes)))
        model.place_of_token[order] = torch.arange(config.vocabulary)
    model.to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    step, used = 0, 0.0
    if checkpoint.exists():
        step, used = resume(checkpoint, model, optimiser)
    batches = Batches(streams, config, seed=step)
    begun = time.monotonic() - used
    reported = used
    while (used := time.monotonic() - begun) < minutes * 60:
        progress = used / (minutes * 60)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        tokens = batches().to(device)
        coarse = config.memory.rows_step
        rows = config.memory.later + torch.randint(LEAST_ROWS // coarse, config.memory.key // coarse + 1, (BATCH,)) * coarse
        recited, prior = losses(model, tokens, rows.to(device))
        loss = recited + 0.3 * prior
        if not loss.isfinite():
            raise SystemExit(f"The loss is {loss.item()} at step {step}; the checkpoint before it stands.")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        step += 1
        if used - reported > 300 or step == 200:
            reported = used
            model.eval()
            line = {"step": step, "minutes": round(used / 60, 1), "loss": [round(x.item(), 4) for x in (recited, prior)]}
            print(json.dumps({**line, "held_out": evaluate(model, held_out)}), flush=True)
            model.train()
            save(checkpoint, model, config, optimiser, step, used)
    save(checkpoint, model, config, optimiser, step, used)
    print(json.dumps({"step": step, "held_out": evaluate(model.eval(), held_out, segments=200)}), flush=True)


def embedding_of(path: Path) -> Tensor:
    """The vocabulary's embedding in a weight file, [n, d] by token id."""
    state, _ = load_weights(path)
    return state["embedding"][state["place_of_token"]] if "embedding" in state else state["embedding.weight"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of text folders, see corpus.py")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--classes", type=Path, help="weight file with an embedding of the vocabulary")
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--device", help="cpu, cuda, cuda:N or mps; the best there is when not given")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--export", type=Path, help="write the checkpoint's weights in float16 to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.export:
        export_fitted(
            arguments.checkpoint, arguments.export, token_streams(arguments.data, arguments.checkpoint.parent / "train_tokens.npz")
        )
        return
    arguments.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    given = arguments
    train(given.data, given.checkpoint, given.minutes, given.rate, MemorizerConfig(), given.classes, choose_device(given.device))


if __name__ == "__main__":
    main()
