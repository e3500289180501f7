"""The encoder: a small bidirectional network that turns sentences in their context into vectors.

It has the shape of all-MiniLM-L6-v2 (BERT, 6 layers, 384 features), from whose weights training starts. A *sentence vector* is the
mean token state of a sentence, the states having seen the whole passage, condensed, of unit length; questions likewise. The
reader (``reader/network.py``) runs on the same trunk, with persistent tokens and a span head that are kept here, in one weight file.
"""

# b window · t token · d feature · s sentence · g feature of a sentence vector

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.bert import PAD, Layer
from model.config import EncoderConfig
from model.networks import embedding, initial, load_network
from model.weights_file import WEIGHTS

__all__ = ["Encoder", "load_encoder"]


class Encoder(nn.Module):
    """Token ids are [b, t] with ``PAD`` at the end of short rows."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        d = config.width
        self.embedding = embedding(config.vocabulary, d)
        self.position = embedding(config.positions, d)
        self.kind = embedding(2, d)  # 0 recitation or plain text, 1 question of a reading
        self.norm = nn.LayerNorm(d, eps=1e-12)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.persistent = initial(
            (config.persistent, d), lambda: torch.randn(config.persistent, d) * 0.5
        )  # for reading alone, as the next one
        self.span = nn.Linear(d, 2, bias=False)
        if not self.span.weight.is_meta:
            nn.init.normal_(self.span.weight, std=0.02)
        self.condense = nn.Linear(d, config.vector, bias=False)

    @property
    def device(self) -> torch.device:
        return self.persistent.device

    def run(self, x: Tensor, valid: Tensor) -> Tensor:
        """States [b, t, d] after all layers; only ``valid`` [b, t] tokens are attended to."""
        mask = valid[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        return x

    def embed(self, ids: Tensor, kinds: Tensor) -> Tensor:
        """The input of the first layer, [b, t, d]."""
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.norm(self.embedding(ids) + self.position(places) + self.kind(kinds))

    def states(self, ids: Tensor) -> Tensor:
        """Token states [b, t, d] of plain text."""
        return self.run(self.embed(ids, torch.zeros_like(ids)), ids != PAD)

    def sentence_vectors(self, ids: Tensor, belongs: Tensor, count: int) -> Tensor:
        """Unit vectors [s, g] of ``count`` sentences: their condensed mean states; see ``means``."""
        return F.normalize(self.condense(self.means(ids, belongs, count)).float(), dim=-1)

    def means(self, ids: Tensor, belongs: Tensor, count: int) -> Tensor:
        """Unit mean states [s, d] of ``count`` sentences; ``belongs`` [b, t] numbers each token's sentence, −1 for none.

        A sentence without a token gets zeros.
        """
        states = self.states(ids).float()
        chosen = belongs >= 0
        number = belongs[chosen]
        sums = states.new_zeros(count, states.shape[-1]).index_add_(0, number, states[chosen])
        return F.normalize(sums, dim=-1)


def load_encoder(device: torch.device, folder: Path = WEIGHTS) -> Encoder:
    """The encoder with the weights in ``folder``, the shipped ones by default. Raises WeightsError."""
    return load_network(folder / "core.safetensors", lambda config: Encoder(EncoderConfig.from_dict(config)), device)
