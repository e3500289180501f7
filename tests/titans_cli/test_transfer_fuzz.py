"""A few hundred of the files of bench/fuzz_import.py: refused without a trace, or harmless."""

import random

import pytest
from fuzz_import import KINDS, Bench


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_exports_are_refused_or_harmless(kind, tmp_path):
    bench = Bench(tmp_path)
    for number in range(60):
        data, may_pass = KINDS[kind](bench.export, random.Random(f"tests {kind} {number}"))
        verdict = bench.judge(data, may_pass, fresh=number % 2 == 0)
        assert verdict.outcome != "wrong", (number, verdict.reason)


@pytest.mark.parametrize("fresh", [True, False])
def test_the_untouched_export_is_taken(fresh, tmp_path):
    bench = Bench(tmp_path)
    assert bench.judge(bench.export.file(), True, fresh).outcome == "accepted"


def test_the_bench_sees_what_is_taken_wrongly(tmp_path):
    bench = Bench(tmp_path)
    assert bench.judge(bench.export.file(), False, True).outcome == "wrong"
