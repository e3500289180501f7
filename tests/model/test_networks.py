"""Weight files: what is missing, damaged or of another shape is named."""

import pytest
import torch

from model import WeightsError, load_config
from model.networks import load_network, save_weights


def load(path):
    return load_network(path, lambda config: torch.nn.Linear(config["inputs"], 3), torch.device("cpu"))


def test_saved_weights_come_back(tmp_path):
    linear = torch.nn.Linear(2, 3)
    save_weights(tmp_path / "some.safetensors", linear.state_dict(), {"inputs": 2})
    torch.testing.assert_close(load(tmp_path / "some.safetensors").weight, linear.weight.half().float(), rtol=0, atol=0)
    assert load_config(tmp_path / "some.safetensors") == {"inputs": 2}


def test_weights_that_are_missing_or_damaged_are_named(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        load(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(WeightsError, match="Install titans again"):
        load(tmp_path / "bad.safetensors")
    save_weights(tmp_path / "other.safetensors", {"weight": torch.ones(3, 2)}, {"inputs": 2})
    with pytest.raises(WeightsError, match="do not fit this program"):
        load(tmp_path / "other.safetensors")
