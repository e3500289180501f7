"""Meta-train the memorizer on one objective: read a segment, then recite it.

    python -m model.training.memorizer --data TEXT_FOLDER --checkpoint checkpoints/memorizer.pt --minutes 75
    python -m model.training.memorizer --checkpoint checkpoints/memorizer.pt --export model/weights/memorizer.safetensors

Resumes from the checkpoint when there is one. The loss is the cross-entropy of the recitation, differentiated through
the fixed point of the rehearsal and straight through the rounding of the stored weights; the plain expectation gets a
smaller share, so that the short-term core leaves less to store, and the gates of the first reading learn from its error.
Every vocabulary entry is written often: one segment in eight is uniform random tokens, and random tokens are strewn
into half of the others.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.config import MemorizerConfig
from model.memorizer import Memorizer
from model.memory import MemoryState, dequantise, fixed_point, quantise, read_stream
from model.tokenizer import load_tokenizer
from model.training.checkpoint import export, resume, save
from model.training.corpus import PROSE, load_texts, number_table

__all__ = ["train"]

NEGATIVES = 2_000
BATCH = 16


def token_streams(data: Path, cache: Path, held_out: bool = False, characters_per_folder: int = 10_000_000) -> dict[str, np.ndarray]:
    """Token ids by folder, kept in ``cache`` (an npz file)."""
    if cache.exists():
        return dict(np.load(cache))
    encode = load_tokenizer().encode_ordinary
    rng = random.Random(1)
    texts = load_texts(data, held_out)
    texts["tables"] = [number_table(rng) for _ in range(50 if held_out else 2_000)]
    streams = {}
    for folder, parts in texts.items():
        rng.shuffle(parts)
        taken, ids = 0, []
        for text in parts:
            if taken > characters_per_folder:
                break
            ids.append(np.array(encode(text[: characters_per_folder // 4]), np.uint16))
            taken += len(text)
        streams[folder] = np.concatenate(ids)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, **streams)  # type: ignore[arg-type]  # numpy types its flag, not the arrays
    return streams


class Batches:
    """Random segments: folders weighted, prose highest; random tokens mixed in."""

    def __init__(self, streams: dict[str, np.ndarray], config: MemorizerConfig, seed: int):
        self.rng = np.random.default_rng(seed)
        self.config = config
        self.streams = [s.astype(np.int64) for s in streams.values()]
        weights = np.array([4.0 if name in PROSE else 2.0 if name in ("tables", "code") else 1.0 for name in streams])
        self.weights = weights / weights.sum()

    def __call__(self) -> Tensor:
        length = self.config.segment
        if self.rng.random() < 0.1:
            length = int(self.rng.integers(2, length))
        rows = np.empty((BATCH, length), np.int64)
        for row, which in zip(rows, self.rng.choice(len(self.streams), BATCH, p=self.weights), strict=True):
            stream = self.streams[which]
            start = self.rng.integers(0, len(stream) - length)
            row[:] = stream[start : start + length]
        noise = self.rng.integers(0, self.config.vocabulary, rows.shape)
        share = np.zeros((BATCH, 1))
        share[: BATCH // 2] = 0.06
        share[:2] = 1.0
        return torch.from_numpy(np.where(self.rng.random(rows.shape) < share, noise, rows))


def losses(model: Memorizer, tokens: Tensor, candidates: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of the recitation and of the plain expectation, and the relative error after one reading."""
    expected, keys = model.context(tokens)
    values, gates = model.surprise(tokens, expected)
    keys = keys.float()
    weights = fixed_point(keys, values, gates.step, model.ridge(gates))
    bits = model.config.memory.bits
    weights = weights + (dequantise(*quantise(weights.detach(), bits)) - weights).detach()
    table = model.scored_table(candidates)
    recited = model.scored_states(expected, keys @ weights) @ table.mT
    ahead = expected * model.expectation_scale / model.scale
    prior = model.scored_states(ahead, torch.zeros_like(values)) @ table.mT
    fixed_keys, fixed_values = keys.detach(), values.detach()
    empty = MemoryState.empty(len(tokens), model.config.memory.key, model.config.memory.value)
    state, _ = read_stream(empty, fixed_keys, fixed_values, model.reading(gates), model.config.memory.chunk)
    error = (fixed_keys @ state.weights - fixed_values).square().sum() / fixed_values.square().sum()
    return F.cross_entropy(recited.flatten(0, 1).float(), targets), F.cross_entropy(prior.flatten(0, 1).float(), targets), error


@torch.no_grad()
def evaluate(model: Memorizer, streams: dict[str, np.ndarray], segments: int = 24) -> dict[str, tuple[float, float]]:
    """By folder: share of tokens and of whole segments right after one fixed-point writing, over the whole vocabulary."""
    result = {}
    for folder, stream in streams.items():
        n = model.config.segment
        count = min(segments, len(stream) // n)
        tokens = torch.from_numpy(stream[: count * n].astype(np.int64)).view(count, n)
        right = []
        for part in tokens.split(16):
            expected, keys = model.context(part)
            values, gates = model.surprise(part, expected)
            weights = dequantise(*quantise(fixed_point(keys, values, gates.step, model.ridge(gates)), model.config.memory.bits))
            right.append((model.scored_states(expected, keys @ weights) @ model.scored_table().mT).argmax(-1) == part)
        all_right = torch.cat(right)
        result[folder] = (round(all_right.float().mean().item(), 4), round(all_right.all(1).float().mean().item(), 3))
    return result


def train(data: Path, checkpoint: Path, minutes: float, rate: float, config: MemorizerConfig) -> None:
    """Train for ``minutes`` of wall time in all (resumed time counts), the rate falling by a cosine of the time used."""
    torch.manual_seed(0)
    streams = token_streams(data, checkpoint.parent / "train_tokens.npz")
    held_out = token_streams(data, checkpoint.parent / "held_out_tokens.npz", held_out=True)
    model = Memorizer(config)
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
        tokens = batches()
        drawn = torch.randint(0, config.vocabulary, (NEGATIVES,))
        candidates, index = torch.unique(torch.cat([tokens.flatten(), drawn]), return_inverse=True)
        recited, prior, error = losses(model, tokens, candidates, index[: tokens.numel()])
        loss = recited + 0.2 * prior + 0.1 * error
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
            line = {"step": step, "minutes": round(used / 60, 1), "loss": [round(x.item(), 4) for x in (recited, prior, error)]}
            print(json.dumps({**line, "held_out": evaluate(model, held_out)}), flush=True)
            model.train()
            save(checkpoint, model, config, optimiser, step, used)
    save(checkpoint, model, config, optimiser, step, used)
    print(json.dumps({"step": step, "held_out": evaluate(model.eval(), held_out, segments=200)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of text folders, see corpus.py")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--export", type=Path, help="write the checkpoint's weights in float16 to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.export:
        export(arguments.checkpoint, arguments.export)
        return
    arguments.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    train(arguments.data, arguments.checkpoint, arguments.minutes, arguments.rate, MemorizerConfig())


if __name__ == "__main__":
    main()
