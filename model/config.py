"""Shapes and settings of the two networks: frozen, checked at birth, passed whole."""

from dataclasses import asdict, dataclass

from model.errors import ModelError

__all__ = ["CoreConfig", "MemorizerConfig", "MemoryConfig"]


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ModelError(message)


@dataclass(frozen=True)
class MemoryConfig:
    """One neural memory: a linear map of ``key × value`` weights, and how it is written."""

    key: int = 96  # features of a key, rows of the memory
    value: int = 32  # features of a value, columns of the memory
    bits: int = 6  # bits of a stored weight: 6 or 8
    chunk: int = 32  # tokens whose gradients are taken at the same weights while reading (eq. 16)
    passes: int = 32  # momentum passes over the whole segment in one rehearsal
    rounds: int = 8  # rehearsals in which what came back wrong is written more strongly
    margin: float = 0.05  # logits by which a recited token must beat the runner-up

    def __post_init__(self) -> None:
        require(self.key > 0 and self.value > 0 and self.chunk > 0, "a memory needs positive key, value and chunk sizes")
        require(self.bits in (6, 8), f"memory weights are stored in 6 or 8 bits, not {self.bits}")
        require(self.passes > 0 and self.rounds >= 0, "a memory needs at least one pass")
        require(self.margin >= 0, "the margin cannot be negative")

    @property
    def weights(self) -> int:
        """Number of weights in one memory."""
        return self.key * self.value


@dataclass(frozen=True)
class MemorizerConfig:
    """The memorizer: token embedding, short-term core and neural memory."""

    vocabulary: int = 32_768  # tokens
    width: int = 192  # features of a token state
    layers: int = 2  # blocks of the short-term core
    heads: int = 4  # attention heads of a block
    window: int = 32  # tokens that the short-term core attends to
    segment: int = 128  # most tokens in one memory
    convolution: int = 4  # tokens that a key's depthwise convolution covers
    memory: MemoryConfig = MemoryConfig()

    def __post_init__(self) -> None:
        require(self.width % self.heads == 0, f"width {self.width} is not a multiple of {self.heads} heads")
        require(self.segment > 0 and self.window > 0 and self.convolution > 0, "segment, window and convolution are positive")

    def as_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "MemorizerConfig":
        return cls(**{**values, "memory": MemoryConfig(**values["memory"])})


@dataclass(frozen=True)
class CoreConfig:
    """The core: a BERT-shaped encoder with persistent tokens. The defaults are all-MiniLM-L6-v2's shape."""

    vocabulary: int = 30_522  # WordPiece entries
    width: int = 384  # features of a token state
    layers: int = 6  # encoder blocks
    heads: int = 12  # attention heads of a block
    feedforward: int = 1_536  # hidden features of a block's feed-forward part
    positions: int = 512  # most tokens in one window, persistent tokens not counted
    persistent: int = 8  # learned tokens before every reading window; the first three mean nothing, yes and no

    def __post_init__(self) -> None:
        require(self.width % self.heads == 0, f"width {self.width} is not a multiple of {self.heads} heads")
        require(self.persistent >= 3, "reading needs persistent tokens for nothing, yes and no")

    def as_dict(self) -> dict:
        return asdict(self)
