"""Write a trained reader in six bits, and measure what the rounding costs.

python -m model.training.reader_export --checkpoint checkpoints/reader/reader.pt --data reader_data.npz --out model/weights/reader.safetensors
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from model.reader.network import ReaderConfig, ReaderNetwork
from model.reader.quantization import pack_state, unpack_state
from model.training.reader import evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    given = parser.parse_args()
    state = torch.load(given.checkpoint)
    config = ReaderConfig()
    save_file(pack_state(state), given.out, {"config": json.dumps(config.as_dict())})
    development = json.loads(given.data.with_suffix(".development.json").read_text())
    with torch.device(given.device):
        network = ReaderNetwork(config)
    for name, weights in (("float32", state), ("six bits", unpack_state(load_file(given.out)))):
        network.load_state_dict(weights)
        print(name, json.dumps(evaluate(network, development)), flush=True)


if __name__ == "__main__":
    main()
