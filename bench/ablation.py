"""What each part of the memory is worth: recitation at a fixed number of stored weights for each token, all trained equally.

    pip install -e '.[bench]'
    python bench/ablation.py --data TEXT_FOLDER --work WORK_FOLDER [--steps 400] [--seeds 0 1 2] [--only NAME ...]
    python bench/ablation.py --work WORK_FOLDER --report

Every variant differs from the first in one thing. It is trained from nothing on the same batches in the same order, and then
writes held-out segments of 128 tokens into memories of 4,608 one-bit weights (36 a token). Given are, teacher-forced and right
after the writing, the share of tokens that win with float32 weights and with stored ones; and the share of whole segments
that are exact after the rounds in which what came back wrong is written more strongly. Results are kept in
WORK_FOLDER/ablation.jsonl, so that a run can go on where it stopped; the report draws WORK_FOLDER/ablation.png.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import report

from model.config import MemorizerConfig, MemoryConfig
from model.memorizer.network import Memorizer, load_memorizer
from model.memorizer.quantization import dequantize, quantize
from model.memorizer.writer import correct, write_rows
from model.training.memorizer import losses
from model.training.segments import Batches, token_streams

TITANS = MemorizerConfig(memory=MemoryConfig(key=96, value=48, rule="titans"))
SHUT = -30.0
"""A gate's bias before the sigmoid that training does not open again."""
MEASURES = ("tokens right, float32", "tokens right, stored", "segments exact, rehearsed")


def memory(config: MemorizerConfig, **changes: object) -> MemorizerConfig:
    return replace(config, memory=replace(config.memory, **changes))  # type: ignore[arg-type]


CLOSED = memory(TITANS, rule="closed")
VARIANTS: dict[str, MemorizerConfig] = {
    "titans": TITANS,
    "two layers": memory(TITANS, depth=2, key=112, value=32),
    "three layers": memory(TITANS, depth=3, key=80, value=32),
    "without convolution": replace(TITANS, convolution=1),
    "without momentum": TITANS,
    "without forgetting": TITANS,
    "without residual target": memory(TITANS, store_surprise=False),
    "without rehearsal": memory(TITANS, passes=1),
    "window objective": memory(TITANS, chunk=128, passes=16),
    "delta": memory(TITANS, rule="delta"),
    "rwkv7": memory(TITANS, rule="rwkv7"),
    "closed": CLOSED,
    "closed without convolution": replace(CLOSED, convolution=1),
    "closed without residual target": memory(CLOSED, store_surprise=False),
    "lmm": replace(TITANS, joining="lmm"),
    "mal": replace(TITANS, joining="mal"),
    "mac": replace(TITANS, joining="mac"),
}
SHUT_GATES = {"without momentum": 1, "without forgetting": 2}


def train(name: str, seed: int, streams: dict[str, np.ndarray], places: torch.Tensor, steps: int, rate: float) -> tuple[Memorizer, float]:
    """A memorizer after ``steps`` batches, and the seconds that they took."""
    torch.manual_seed(seed)
    config = VARIANTS[name]
    model = Memorizer(config)
    model.place_of_token.copy_(places)
    if name in SHUT_GATES:
        model.gates.bias.data[SHUT_GATES[name]] = SHUT
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    shape: Callable[[float], float] = lambda done: min(1.0, 20 * done) * (1 - done)  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: shape((step + 1) / (steps + 1)))
    batches = Batches(streams, config, seed)
    begun = time.monotonic()
    for _ in range(steps):
        tokens = batches()
        recited, prior = losses(model, tokens, torch.full((len(tokens),), config.memory.rows))
        (recited + 0.3 * prior).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if norm.isfinite():
            optimiser.step()
        optimiser.zero_grad()
        schedule.step()
    return model.eval(), time.monotonic() - begun


@torch.no_grad()
def measure(model: Memorizer, streams: dict[str, np.ndarray], segments: int) -> dict[str, float]:
    """The three shares over ``segments`` held-out segments of each folder, in percent."""
    n, config = model.config.segment, model.config.memory
    counts = [0.0, 0.0, 0.0]
    folders = 0
    for stream in streams.values():
        count = min(segments, len(stream) // n)
        tokens = torch.from_numpy(stream[: count * n].astype(np.int64)).view(count, n)
        lesson = model.study(tokens, torch.full((count,), n))
        rows = torch.full((count,), config.rows)
        solver = model.memory.solver(model.keys(lesson.features, rows), lesson.gates, lesson.valid)
        weights = solver.weights(lesson.values)
        stored = dequantize(*quantize(weights, rows, config.bits), config.bits)
        tables = model.corrections()
        for place, kept in enumerate((weights, stored)):
            wrong, _ = correct(model, lesson, model.memory.read(solver.keys, kept), tables)
            counts[place] += 1 - wrong.float().mean().item()
        counts[2] += write_rows(model, lesson, rows).exact.float().mean().item()
        folders += 1
    return {measure: 100 * share / folders for measure, share in zip(MEASURES, counts, strict=True)}


def run(arguments: argparse.Namespace, log: Path) -> None:
    streams = token_streams(arguments.data, arguments.work / "train_tokens.npz")
    held_out = token_streams(arguments.data, arguments.work / "held_out_tokens.npz", held_out=True)
    places = load_memorizer(torch.device("cpu")).place_of_token
    for seed in arguments.seeds:
        for name in arguments.only or VARIANTS:
            if any((row["variant"], row["seed"], row["steps"]) == (name, seed, arguments.steps) for row in results(log)):
                continue
            model, seconds = train(name, seed, streams, places, arguments.steps, arguments.rate)
            row = {"variant": name, "seed": seed, "steps": arguments.steps, "seconds": round(seconds)}
            with log.open("a") as file:
                print(json.dumps(row | measure(model, held_out, arguments.segments)), file=file)
            print(results(log)[-1], flush=True)


def results(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def show(log: Path, picture: Path) -> None:
    """Means over seeds with their spread, as a table and a bar chart."""
    by_name: dict[str, list[dict]] = {}
    for row in results(log):
        by_name.setdefault(row["variant"], []).append(row)
    rows = []
    for name in [name for name in VARIANTS if name in by_name]:
        line: dict = {"variant": name, "seeds": len(by_name[name])}
        for which in MEASURES:
            shares = [row[which] for row in by_name[name]]
            spread = statistics.stdev(shares) if len(shares) > 1 else 0.0
            line[which] = f"{statistics.mean(shares):.1f} ± {spread:.1f}"
        rows.append(line | {"seconds": round(statistics.median(row["seconds"] for row in by_name[name]))})
    report("ablation", rows, steps=sorted({row["steps"] for row in results(log)}))
    draw(rows, picture)


def draw(rows: list[dict], picture: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(MEASURES), figsize=(12, 0.32 * len(rows) + 1.2), sharey=True)
    for axis, which in zip(axes, MEASURES, strict=True):
        means, spreads = zip(*(map(float, row[which].split(" ± ")) for row in rows), strict=True)
        colours = ["tab:orange" if row["variant"] in ("titans", "closed") else "tab:blue" for row in rows]
        axis.barh([row["variant"] for row in rows], means, xerr=spreads, color=colours)
        axis.set_xlim(0, 100)
        axis.set_title(f"{which} (%)")
    axes[0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(picture, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of text folders; not needed once tokens are in the work folder")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--segments", type=int, default=48, help="held-out segments of each folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--report", action="store_true", help="only show what was measured")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    log = arguments.work / "ablation.jsonl"
    if not arguments.report:
        run(arguments, log)
    show(log, log.with_suffix(".png"))


if __name__ == "__main__":
    main()
