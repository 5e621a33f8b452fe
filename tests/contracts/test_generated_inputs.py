"""Whatever comes in, only a report, the user's own exception or a documented error comes out.

20 000 inputs of the same kind are drawn by ``tests/benchmarks/generated_inputs.py``.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings


def load():
    name = "contracts_generated"
    if name not in sys.modules:
        path = Path(__file__).with_name("generated.py")
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


generated = load()


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(generated.cases())
def test_every_input_ends_in_one_of_the_ways_allowed_and_leaves_no_trace(case):
    generated.run(case)


def test_of_a_long_double_its_number_is_compared_and_not_its_padding():
    numbers = np.array([1.0, -0.0], np.longdouble)
    padded = numbers.copy()
    if np.finfo(np.longdouble).nmant == 63:  # Ten bytes of a number, then padding.
        padded.view(np.uint8).reshape(2, -1)[:, 10:] ^= 0xFF
    assert generated._numbers(padded) == generated._numbers(numbers)
    assert generated._numbers(-numbers) != generated._numbers(numbers)
    assert generated._numbers(np.nextafter(numbers, 2)) != generated._numbers(numbers)
