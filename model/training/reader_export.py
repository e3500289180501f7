"""Write a trained reader in six bits, and measure what the rounding costs.

    python -m model.training.reader_export --checkpoint checkpoints/reader.pt --data reader_data.npz --out model/weights/reader.safetensors

The last of three commands; ``reader.py`` shows them in order.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from model.reader.network import ReaderConfig, ReaderNetwork
from model.reader.quantization import pack_state, unpack_state
from model.runtime import choose_device
from model.training.reader_evaluation import evaluate

__all__ = ["export_reader"]


def export_reader(checkpoint: Path, out: Path, development: list[dict], device: torch.device) -> dict[str, dict]:
    """Write the checkpoint's weights in six bits; returns the scores on the development questions before and after rounding."""
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    save_file(pack_state(saved["model"]), out, {"config": json.dumps(saved["config"])})
    network = ReaderNetwork(ReaderConfig(**saved["config"])).to(device)
    scores = {}
    for name, weights in (("float32", saved["model"]), ("six bits", unpack_state(load_file(out)))):
        network.load_state_dict(weights)
        scores[name] = evaluate(network, development)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--device", help="cpu, cuda, cuda:N or mps; the best there is when not given")
    given = parser.parse_args()
    development = json.loads(given.data.with_suffix(".development.json").read_text())
    for name, scores in export_reader(given.checkpoint, given.out, development, choose_device(given.device)).items():
        print(name, json.dumps(scores))


if __name__ == "__main__":
    main()
