"""Whatever comes in, only a report, the user's own exception or a documented error comes out.

20 000 inputs of the same kind are drawn by ``tests/benchmarks/generated_inputs.py``.
"""

import numpy as np
from hypothesis import HealthCheck, given, settings

from tests.contracts import generated


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
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
