"""The device that is chosen, and the precision that is measured."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from model import ModelError, choose_device, runtime

CPU = torch.device("cpu")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The file in which the measurement is kept; ``measured`` counts the measurements."""
    monkeypatch.setattr(runtime, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    runtime.bfloat16_is_faster.cache_clear()
    yield tmp_path / "cache" / "bfloat16.json"
    runtime.bfloat16_is_faster.cache_clear()


def counted(monkeypatch, answer: bool) -> list[None]:
    calls: list[None] = []

    def measure() -> bool:
        calls.append(None)
        return answer

    monkeypatch.setattr(runtime, "measure", measure)
    return calls


def ask_again() -> bool:
    runtime.bfloat16_is_faster.cache_clear()
    return runtime.bfloat16_is_faster(CPU)


@pytest.mark.parametrize("faster", [False, True])
def test_precision_is_measured_once_a_processor_and_torch(cache, monkeypatch, faster):
    calls = counted(monkeypatch, faster)
    assert [ask_again(), ask_again()] == [faster, faster]
    assert len(calls) == 1
    assert list(json.loads(cache.read_text()).values()) == [faster]
    monkeypatch.setattr(runtime, "processor", lambda: "another one")
    ask_again()
    monkeypatch.setattr(torch, "__version__", "0.0")
    ask_again()
    assert len(calls) == 3 == len(json.loads(cache.read_text()))
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b'{"a": 1}', b"\xff\xfe", b"[" * 100_000], ids=range(7))
def test_a_damaged_file_is_measured_anew(cache, monkeypatch, content):
    cache.parent.mkdir()
    cache.write_bytes(content)
    calls = counted(monkeypatch, True)
    assert ask_again() and ask_again()
    assert len(calls) == 1


def test_a_cache_that_cannot_be_written_is_harmless(cache, monkeypatch):
    cache.parent.write_text("a file where the folder should be")
    calls = counted(monkeypatch, True)
    assert ask_again() and ask_again()
    assert len(calls) == 2


def test_measuring_is_short_and_changes_no_random_numbers():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    begun = time.perf_counter()
    assert runtime.measure() in (True, False)
    assert time.perf_counter() - begun < 2  # 0.1 s where nothing else runs
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("seconds", "faster"), [(0.0005, True), (0.00095, False), (0.002, False)])
def test_bfloat16_is_chosen_where_it_is_clearly_faster(monkeypatch, seconds, faster):
    """By a clock that goes on only while a layer runs: a millisecond in float32."""
    now = [0.0]

    def layer(*_):
        now[0] += seconds if torch.is_autocast_enabled("cpu") else 0.001

    monkeypatch.setattr(runtime, "Layer", lambda config: layer)
    monkeypatch.setattr(runtime.time, "perf_counter", lambda: now[0])
    assert runtime.measure() == faster


def test_the_device_is_the_one_that_is_named():
    assert choose_device("cpu") == CPU
    assert choose_device() == choose_device(None)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "xpu", "meta", "cuda:-2"])
def test_unknown_devices_are_refused(name):
    with pytest.raises(ModelError, match="Use cpu, cuda, cuda:N or mps"):
        choose_device(name)


@pytest.mark.parametrize("name", ["cuda:99", "cpu:3", "mps:7"])
def test_devices_that_are_not_there_are_refused_with_those_that_are(name):
    with pytest.raises(ModelError, match=rf"The device '{name}' is not available here\. Use cpu"):
        choose_device(name)


@pytest.mark.parametrize("package", ["model", "titans_cli"])
def test_waiting_threads_sleep_in_every_process(package):
    """Set before torch is loaded, and not where the user chose otherwise."""
    code = (
        f"import sys, os, {package}; assert 'torch' not in sys.modules;print(os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'])"
    )
    root = Path(__file__).parents[2]
    said = [
        subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=given, capture_output=True, text=True).stdout.split()
        for given in ({}, {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "7"})
    ]
    assert said == [["passive", "0"], ["active", "7"]]


def test_what_needs_no_torch_loads_none():
    names = "model, model.config, model.errors, model.weights_file, model.reader.calibration, model.recall.word_filter"
    code = f"import sys, {names}; model.load_config(model.weight_files()[1]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
