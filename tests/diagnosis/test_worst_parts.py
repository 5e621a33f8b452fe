"""One wrong element of every wrong block, inside of what was located."""

import types

import numpy as np
import pytest

from gradhook.diagnosis.parts import worst_element
from gradhook.difference.base import Estimate
from gradhook.verdict.evidence import Location, Probe


def measuring(synthetic, analytic, numerical):
    mismatch = synthetic(analytic, numerical)

    def along(parts, *, share, wanted):
        ((_, element, _),) = parts
        at = element.index
        slope = Estimate(float(numerical.flat[at]), 1e-9, 1e-6)
        return Probe(float(analytic.flat[at]), slope)

    mismatch.enter = lambda: None
    mismatch.measured = types.SimpleNamespace(prober=types.SimpleNamespace(along=along))
    return mismatch


N = np.random.default_rng(0).standard_normal((6, 5))


def test_where_the_gradient_is_largest_comes_first(synthetic):
    mismatch = measuring(synthetic, 1.5 * N, N)
    ((index, probe),) = worst_element(mismatch, "W", None, None).items()
    assert index == np.unravel_index(np.argmax(np.abs(N)), N.shape)
    assert probe.residual == pytest.approx(0.5 * N[index], rel=1e-12)


def test_inside_of_the_part_that_was_found(synthetic):
    mask = np.zeros(N.shape, dtype=bool)
    mask[2, 3:] = True
    mismatch = measuring(synthetic, np.where(mask, 0.0, N), N)
    (index,) = worst_element(mismatch, "W", None, mask)
    assert mask[index]
    where = Location("W", N.shape, ((slice(2, 3), slice(3, 5)),))
    (index,) = worst_element(mismatch, "W", where, None)
    assert mask[index]


def test_an_element_that_is_right_is_not_shown(synthetic):
    assert worst_element(measuring(synthetic, N, N), "W", None, None) == {}
