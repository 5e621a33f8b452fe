"""What the adapters' tests share: examples as modules, and runs that must not differ."""

import importlib
import random
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="session")
def example():
    """Import an example by name."""
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    return importlib.import_module


@pytest.fixture(scope="module")
def right(digits):
    """Return what training a module's example makes, with its right gradients checked."""
    return digits.train(enabled=True, on_fail="raise")


@pytest.fixture
def same_bits():
    """Assert that two lots of arrays, and two random states, agree to the bit."""

    def compare(first, second):
        assert first.keys() == second.keys()
        for name in first:
            assert first[name].dtype == second[name].dtype, name
            assert first[name].tobytes() == second[name].tobytes(), name

    return compare


@pytest.fixture
def global_state():
    """Return the state of the global random streams, comparable by ``==``."""

    def read():
        keys, *rest = np.random.get_state()[1:]
        return keys.tolist(), rest, random.getstate()

    return read


@pytest.fixture
def verdicts():
    """Return ``[(step, verdict), …]`` of a callback's reports."""
    return lambda check: [(report.step, str(report.verdict)) for report in check.history]


@pytest.fixture
def failing():
    """Return the names of the blocks that failed."""
    return lambda report: {name for name, b in report.blocks.items() if b.verdict == "FAIL"}
