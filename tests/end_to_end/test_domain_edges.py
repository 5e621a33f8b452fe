"""One-sided methods at the edge of a domain, where no element may move to the other side."""

import numpy as np
import pytest

from gradhook import Verdict, check_gradients
from gradhook.difference import Backward, Central, Forward

SIDES = pytest.mark.parametrize(("method", "inside"), [(Forward(), 1.0), (Backward(), -1.0)])


def edge(inside, factor=1.0):
    """A loss that is defined on one side of zero in each element, and its gradient there."""

    def loss_and_gradients(x):
        if np.any(x * inside < 0):
            raise ValueError("outside the domain")
        return np.sum(np.exp(x)), factor * np.exp(x)

    return loss_and_gradients


@SIDES
@pytest.mark.parametrize("size", [3, 4, 40])  # Element by element up to three, directions beyond.
def test_a_one_sided_method_stays_inside_the_domain(method, inside, size):
    report = check_gradients(edge(inside), np.zeros(size), points=("current",), method=method)
    assert report.verdict is Verdict.PASS


@SIDES
def test_a_wrong_gradient_at_the_edge_never_passes(method, inside):
    wrong = edge(inside, factor=1.5)
    report = check_gradients(wrong, np.zeros(40), points=("current",), method=method)
    assert not report.passed
    assert report.blocks["x"].ratio > 0.1  # A factor 3/2 makes it 0.2 or more.


def test_a_two_sided_method_finds_no_way_at_the_edge():
    report = check_gradients(edge(1.0), np.zeros(4), points=("current",), method=Central())
    assert report.verdict is Verdict.INCONCLUSIVE
