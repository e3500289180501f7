"""Shapes and settings of the networks and memories: frozen dataclasses that are validated on creation. Needs no torch."""

from dataclasses import asdict, dataclass

from model.errors import ModelError

__all__ = [
    "BITS",
    "BLOCK_JOININGS",
    "MEMORIZER_JOININGS",
    "RULES",
    "BlockConfig",
    "EncoderConfig",
    "MemorizerConfig",
    "MemoryConfig",
    "RuleConfig",
]

RULES = ("titans", "delta", "rwkv7", "closed")
"""How a memory learns, see ``titans/rules.py``."""
BLOCK_JOININGS = ("lmm", "mac", "mag", "mal")
"""How a Titans block joins memory and attention, see ``titans/block.py``."""
MEMORIZER_JOININGS = ("lmm", "mac", "additive", "mal")
"""How the memorizer joins memory and attention, see ``memorizer/network.py``."""
BITS = (1, 2, 3, 4, 5, 6, 8)
"""Sizes of a stored weight, see ``memorizer/quantization.py``."""

OLDER_NAMES = {"residual": "store_surprise", "gist": "vector"}
"""Fields of configurations in older weight files, with their current names."""


def current(values: dict) -> dict:
    """The fields of a configuration in a weight file, with older names replaced by current ones."""
    values = {OLDER_NAMES.get(name, name): value for name, value in values.items()}
    return {**values, "joining": "additive"} if values.get("joining") == "mag" else values


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ModelError(message)


@dataclass(frozen=True)
class MemoryConfig:
    """A neural memory, a network from keys to values, and how it is written. See ``memorizer/associative.py``.

    Keys have at most ``key`` features. The surprise of a text decides how many of them, and so how many rows of weights, it gets.
    """

    key: int = 128  # features of a key, most rows of a memory
    value: int = 48  # features of a value, columns of a memory
    rule: str = "closed"  # one of RULES; closed is where endless passes of titans end
    depth: int = 1  # layers of the memory: 1 is linear; later layers have ``value`` rows each
    passes: int = 4  # times that a segment is read, except by closed
    chunk: int = 32  # tokens whose gradients are taken at the same weights, except by closed
    store_surprise: bool = True  # what is stored is what the core failed to expect; else the whole token
    bits: int = 1  # bits of a stored weight
    rows_step: int = 8  # rows come in multiples of this
    rows_per_nat: float = 0.05  # rows for each nat of surprise
    rows_per_token: float = 0.5  # rows for each token
    rows_more: float = 1.2  # factor on the rows when a text does not fit
    rounds: int = 10  # corrections, in each of which what came back wrong is written more strongly
    margin: float = 0.05  # logits by which a recited token must beat the runner-up

    def __post_init__(self) -> None:
        require(self.key > 0 and self.value > 0, "key and value must be positive")
        require(self.bits in BITS, f"bits must be one of {', '.join(map(str, BITS))}, not {self.bits}")
        require(self.value * self.bits % 8 == 0, "value * bits must be a multiple of 8")
        require(self.rows_step > 0 and self.key % self.rows_step == 0, "key must be a multiple of rows_step")
        _ = self.learning  # which checks rule, depth and chunk
        require(self.passes > 0, "passes must be positive")
        require(self.depth == 1 or self.value % self.rows_step == 0, "value must be a multiple of rows_step when depth is above 1")
        require(self.rows_more > 1, "rows_more must be above 1")
        require(self.rounds >= 0 and self.margin >= 0, "rounds and margin must not be negative")
        require(self.rows <= 255, f"a memory has at most 255 rows, not {self.rows}")

    @property
    def later(self) -> int:
        """Rows of the layers after the first."""
        return (self.depth - 1) * self.value

    @property
    def rows(self) -> int:
        """The largest number of rows of a memory."""
        return self.later + self.key

    @property
    def learning(self) -> "RuleConfig":
        """The rule by which the memory is written."""
        return RuleConfig(self.key, self.value, self.rule, self.depth, chunk=self.chunk)


@dataclass(frozen=True)
class RuleConfig:
    """A memory network that learns while it reads, see ``titans/rules.py``."""

    key: int  # features of a key
    value: int  # features of a value
    rule: str = "titans"  # one of RULES
    depth: int = 1  # layers of the memory: 1 is linear, with 2 and 3 SiLU stands between
    residual: bool = False  # the key is added to what is read; key and value sizes must be equal
    norm: bool = False  # what is read has unit mean square, before the residual
    chunk: int = 32  # tokens whose gradients are taken at the same weights (eq. 16)
    reads: str = "after"  # a token reads before or after its own update
    regularisation: float = 0.1  # of least squares

    def __post_init__(self) -> None:
        require(self.rule in RULES, f"rule must be one of {', '.join(RULES)}, not {self.rule!r}")
        require(self.key > 0 and self.value > 0 and self.chunk > 0, "key, value and chunk must be positive")
        require(1 <= self.depth <= 3, f"depth must be 1, 2 or 3, not {self.depth}")
        require(self.reads in ("before", "after"), f"reads must be before or after, not {self.reads!r}")
        require(not self.residual or self.key == self.value, "residual needs equal key and value sizes")
        require(self.regularisation > 0, "regularisation must be positive")
        linear = self.depth == 1 and not self.norm and not self.residual
        require(linear or self.rule in ("titans", "delta"), f"rule {self.rule} needs a linear memory: depth 1, no norm, no residual")


@dataclass(frozen=True)
class BlockConfig:
    """A Titans block: a neural memory of several heads, and how it is joined to attention, see ``titans/block.py``."""

    width: int  # features of a token
    memory: RuleConfig  # of one head
    joining: str = "mag"  # one of BLOCK_JOININGS
    heads: int = 4  # of attention and of memory
    hidden: int = 64  # features between the layers of a deep memory
    convolution: int = 4  # tokens that the depthwise convolution of queries, keys and values covers; 1 for none
    window: int = 32  # tokens that attention sees; with mac, tokens of a segment
    persistent: int = 4  # learned tokens that attention always sees

    def __post_init__(self) -> None:
        require(self.joining in BLOCK_JOININGS, f"joining must be one of {', '.join(BLOCK_JOININGS)}, not {self.joining!r}")
        require(self.heads > 0 and self.width % self.heads == 0, f"width {self.width} is not a multiple of {self.heads} heads")
        require(self.hidden > 0 and self.convolution > 0 and self.window > 0, "hidden, convolution and window must be positive")
        require(self.persistent >= 0, "persistent must not be negative")


@dataclass(frozen=True)
class MemorizerConfig:
    """The memorizer: token embedding, short-term core and neural memory."""

    vocabulary: int = 32_768  # tokens
    classes: int = 256  # classes of tokens; all have the same number of members
    embedding: int = 128  # features of a token's embedding
    width: int = 192  # features of a token state
    layers: int = 2  # blocks of the short-term core
    heads: int = 4  # attention heads of a block
    window: int = 64  # tokens that the short-term core attends to
    segment: int = 128  # most tokens in one memory
    convolution: int = 4  # tokens that a key's depthwise convolution covers; 1 for none
    joining: str = "additive"  # one of MEMORIZER_JOININGS
    memory: MemoryConfig = MemoryConfig()

    def __post_init__(self) -> None:
        require(self.width % self.heads == 0, f"width {self.width} is not a multiple of {self.heads} heads")
        require(self.segment > 0 and self.window > 0 and self.convolution > 0, "segment, window and convolution must be positive")
        require(self.joining in MEMORIZER_JOININGS, f"joining must be one of {', '.join(MEMORIZER_JOININGS)}, not {self.joining!r}")
        require(self.vocabulary % self.classes == 0, f"vocabulary {self.vocabulary} is not a multiple of {self.classes} classes")

    @property
    def members(self) -> int:
        """Tokens in one class."""
        return self.vocabulary // self.classes

    def as_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "MemorizerConfig":
        """The configuration from the dictionary in a weight file, also from an older one."""
        return cls(**{**current(values), "memory": MemoryConfig(**current(values["memory"]))})


@dataclass(frozen=True)
class EncoderConfig:
    """The encoder: BERT-shaped, with persistent tokens for reading. The defaults are all-MiniLM-L6-v2's shape."""

    vocabulary: int = 30_522  # WordPiece entries
    width: int = 384  # features of a token state
    layers: int = 6  # encoder blocks
    heads: int = 12  # attention heads of a block
    feedforward: int = 1_536  # hidden features of a block's feed-forward part
    positions: int = 512  # most tokens in one window, persistent tokens not counted
    vector: int = 192  # features of a sentence vector
    persistent: int = 8  # learned tokens before every reading window; the first three mean nothing, yes and no

    def __post_init__(self) -> None:
        require(self.width % self.heads == 0, f"width {self.width} is not a multiple of {self.heads} heads")
        require(self.persistent >= 3, "persistent must be at least 3: the tokens for nothing, yes and no")

    def as_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "EncoderConfig":
        """The configuration from the dictionary in a weight file, also from an older one."""
        return cls(**current(values))
