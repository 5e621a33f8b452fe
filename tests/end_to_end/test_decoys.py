"""No untrue cause and no untrue place, in a share of the benchmark of decoys."""

import importlib.util
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def test_no_untrue_word_is_said_of_a_few_decoys_of_every_family(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("decoys", BENCHMARKS / "decoys.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "decoys", module)
    spec.loader.exec_module(module)
    assert module.main(["--each", "3"]) == 0, capsys.readouterr().out
