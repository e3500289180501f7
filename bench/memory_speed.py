"""The speed of the neural memory layer and of titans-pytorch's, at equal widths, heads, chunk sizes and depths, in one run.

    pip install -e '.[bench]'
    python bench/memory_speed.py [--tokens 2048] [--repeats 5] [--threads 2]

titans-pytorch is timed twice: as it comes, where all gradients of a call are taken at the weights that the call began with
(no eq. 16: nothing learned in a sequence changes what is learned later in it), and with ``batch_size`` equal to the chunk:
gradients at each chunk's first weights, as ours. Even then its rule is another one: it takes one step of momentum and
forgetting a chunk, ours one a token.

Both layers project queries, keys, values and gates, have momentum and forgetting, learned first weights, and normalise and
add the key to what a deep memory reads where titans-pytorch does. Compiled code is used by neither. A repeat times both, one
after the other; medians are given.
"""

import argparse
import statistics
import time

import torch
from common import report
from titans_pytorch import MemoryMLP
from titans_pytorch import NeuralMemory as Theirs

from model.config import BlockConfig, RuleConfig
from model.titans.layer import NeuralMemory

SETTINGS = [  # width, heads, chunk, depth
    (128, 2, 16, 1),
    (128, 2, 64, 1),
    (128, 2, 16, 2),
    (128, 2, 64, 2),
    (256, 4, 32, 2),
    (256, 4, 64, 3),
    (384, 6, 64, 1),
    (384, 6, 64, 2),
]


def layers(width: int, heads: int, chunk: int, depth: int) -> list[torch.nn.Module]:
    """Ours, theirs with gradients at each chunk's first weights, theirs as it comes."""
    head = width // heads
    rule = RuleConfig(head, head, depth=depth, residual=True, norm=True, chunk=chunk)
    ours = NeuralMemory(BlockConfig(width, rule, heads=heads, hidden=2 * head))
    theirs = [
        Theirs(
            width, chunk_size=chunk, batch_size=batch, dim_head=head, heads=heads, qk_rmsnorm=True,
            model=MemoryMLP(head, depth=depth, expansion_factor=2.0),
        )
        for batch in (chunk, None)
    ]  # fmt: skip
    return [ours, *theirs]


def seconds(layer: torch.nn.Module, x: torch.Tensor, backward: bool) -> float:
    begun = time.perf_counter()
    if backward:
        layer(x)[0].square().sum().backward()
        layer.zero_grad(set_to_none=True)
    else:
        with torch.no_grad():
            layer(x)
    return time.perf_counter() - begun


def compare(x: torch.Tensor, layers: list[torch.nn.Module], backward: bool, repeats: int) -> list[float]:
    """Median tokens a second of ours, and the median ratios to the others."""
    for layer in layers:
        seconds(layer, x, backward)
    times = [[seconds(layer, x, backward) for layer in layers] for _ in range(repeats)]
    ratios = [statistics.median(row[other] / row[0] for row in times) for other in range(1, len(layers))]
    return [x.shape[0] * x.shape[1] / statistics.median(row[0] for row in times), *ratios]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=2_048)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = []
    for width, heads, chunk, depth in SETTINGS:
        torch.manual_seed(0)
        compared = layers(width, heads, chunk, depth)
        x = torch.randn(arguments.batch, arguments.tokens, width)
        row: dict = {"width": width, "heads": heads, "chunk": chunk, "depth": depth}
        for name, backward in (("forward", False), ("both", True)):
            speed, chunked, default = compare(x, compared, backward, arguments.repeats)
            row |= {f"{name} tokens/s": round(speed), f"{name}: × gradients a chunk": chunked, f"{name}: × as it comes": default}
        rows.append(row)
    report("memory_speed", rows, tokens=arguments.tokens, batch=arguments.batch)


if __name__ == "__main__":
    main()
