"""Every joining and every rule in a block: causal, trainable, resumable at any token."""

import pytest
import torch

from model.config import BLOCK_JOININGS, RULES, BlockConfig, RuleConfig
from model.errors import ModelError
from model.titans.block import TitansBlock
from model.titans.layer import NeuralMemory
from model.titans.state import read

WIDTH, WINDOW, CHUNK = 16, 6, 4


def config(joining: str, rule: str = "titans", depth: int = 1) -> BlockConfig:
    memory = RuleConfig(4, 4, rule=rule, depth=depth, norm=depth > 2, residual=depth > 2, chunk=CHUNK)
    return BlockConfig(WIDTH, memory, joining=joining, heads=2, hidden=5, convolution=3, window=WINDOW, persistent=2)


BLOCKS = {
    **{f"{joining} {rule}": config(joining, rule) for joining in BLOCK_JOININGS for rule in RULES},
    **{f"{joining}, memory of {depth} layers": config(joining, depth=depth) for joining in BLOCK_JOININGS for depth in (2, 3)},
}
every_block = pytest.mark.parametrize("config", BLOCKS.values(), ids=BLOCKS.keys())


def make(config: BlockConfig, magnify: float = 1.0, dtype: torch.dtype = torch.float64) -> tuple[TitansBlock, torch.Tensor]:
    """A block whose memory matters: gates are opened and, where wanted, projections magnified."""
    torch.manual_seed(0)
    block = TitansBlock(config).to(dtype)
    with torch.no_grad():
        block.memory.project.weight.mul_(magnify)
        block.memory.gates.bias.add_(2)
        if config.joining != "lmm":
            block.attention.distance.normal_()
    return block, torch.randn(2, 3 * WINDOW + 2, WIDTH, dtype=dtype)


@every_block
def test_changed_later_token_changes_no_earlier_output(config):
    block, x = make(config, magnify=10)
    changed = WINDOW + 3
    other = x.clone()
    other[:, changed] += 10 * torch.randn(WIDTH, dtype=x.dtype)
    before, after = block(x)[0], block(other)[0]
    torch.testing.assert_close(before[:, :changed], after[:, :changed], rtol=0, atol=1e-12)
    assert not torch.allclose(before[:, changed + 1 :], after[:, changed + 1 :], atol=1e-6)


@every_block
def test_every_parameter_gets_a_gradient(config):
    block, x = make(config)
    block(x)[0].sin().sum().backward()
    silent = [name for name, p in block.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@every_block
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)], ids=["float64", "float32"])
def test_split_anywhere_equals_whole(config, dtype, tolerance):
    block, x = make(config, dtype=dtype)
    with torch.no_grad():
        whole, _ = block(x)
        for cut in range(x.shape[1] + 1):
            first, state = block(x[:, :cut])
            second, _ = block(x[:, cut:], state)
            torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("joining", BLOCK_JOININGS)
def test_token_after_token_equals_whole(joining):
    block, x = make(config(joining))
    with torch.no_grad():
        whole, _ = block(x)
        state, outputs = None, []
        for t in range(x.shape[1]):
            output, state = block(x[:, t : t + 1], state)
            outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, 1), whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_memory_stays_float32_in_bfloat16_layers_and_under_autocast(rule):
    """In bfloat16 a state loses what it holds within some hundred chunks; the same inputs must leave the same state."""
    torch.manual_seed(0)
    layer, x = NeuralMemory(config("lmm", rule)), torch.randn(1, 100 * CHUNK, WIDTH)
    with torch.no_grad():
        exact = layer(x)[1].stream.state
        with torch.autocast("cpu", torch.bfloat16):
            output, state = layer(x)
            again, state = layer(x[:, :CHUNK], state)
        halved = layer.bfloat16()(x.bfloat16())
    assert output.dtype == again.dtype == halved[0].dtype == torch.bfloat16
    for tensors in (state.stream.state, halved[1].stream.state):
        assert {w.dtype for w in (*tensors.weights, *tensors.carry)} == {torch.float32}
    (kept,), (right,) = halved[1].stream.state.weights, exact.weights
    assert (kept - right).norm() < 0.05 * right.norm()


def test_recall_learns_nothing():
    torch.manual_seed(0)
    layer = NeuralMemory(config("lmm"))
    x = torch.randn(1, CHUNK, WIDTH)
    _, state = layer(x)
    said = layer.recall(x, state)
    assert torch.equal(said, layer.recall(x, state))
    queries = layer.inputs(x, state.tail)[0]
    assert read(layer.config.memory, state.stream.state.weights, queries).shape == (2, CHUNK, 4)


def test_impossible_blocks_are_refused():
    with pytest.raises(ModelError, match="joining"):
        config("glue")
    with pytest.raises(ModelError, match="heads"):
        BlockConfig(15, RuleConfig(4, 4))
