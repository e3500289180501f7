"""The paper as a library: neural memories that learn while they read, and the blocks that join them to attention."""

from model.config import BlockConfig, RuleConfig
from model.titans.block import BlockState, TitansBlock
from model.titans.layer import LayerState, NeuralMemory
from model.titans.reference import learn_loop
from model.titans.rules import Stream, learn, resume
from model.titans.state import Gates, MemoryState, bounded_gates, empty_state, largest_step, read

__all__ = [
    "BlockConfig",
    "BlockState",
    "Gates",
    "LayerState",
    "MemoryState",
    "NeuralMemory",
    "RuleConfig",
    "Stream",
    "TitansBlock",
    "bounded_gates",
    "empty_state",
    "largest_step",
    "learn",
    "learn_loop",
    "read",
    "resume",
]
