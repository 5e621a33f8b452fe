"""No untrue cause and no untrue place, in a share of the benchmark of decoys."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("decoys", BENCHMARKS / "decoys.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "decoys", module)
    spec.loader.exec_module(module)
    return module


def test_no_untrue_word_is_said_of_a_few_decoys_of_every_family(benchmark, capsys):
    assert benchmark.main(["--each", "3"]) == 0, capsys.readouterr().out


def test_four_sorted_numbers_that_fell_at_one_point_are_not_called_reversed(benchmark):
    (decoy,) = (
        decoy
        for family, k, decoy in benchmark.decoys(39)
        if (family, k) == ("a 1-D block that is no bias", 38)
    )
    assert decoy.name == "head, ordered"
    report = benchmark.asked(decoy, 38)
    assert report.verdict == "FAIL"
    assert report.causes == ()
