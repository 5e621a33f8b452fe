"""A wrong block: products with known arrays cost nothing, and stand beside what was measured."""

import math
from dataclasses import replace

import numpy as np
import pytest

from gradhook.diagnosis.wrong_block import WrongBlock
from gradhook.difference.base import Estimate
from gradhook.evaluation.directions import random_direction, seeded
from gradhook.verdict.evidence import Probe


def pair(shape=(6, 5), seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal(shape)


def test_the_norm_of_a_sampled_residual_is_right_on_average(wrong_block):
    a, n = pair((40, 5))
    truth = np.linalg.norm(a - n) ** 2
    seen = [wrong_block(a, n, seed=s, error=0.0).residual_norm ** 2 / truth for s in range(300)]
    # The mean of five squared products spreads by about sqrt(2/5); that of 300 such by 0.04.
    assert np.mean(seen) == pytest.approx(1, abs=4 * 0.04)


def test_probes_that_were_not_finite_are_left_out():
    a, n = pair()
    directions = [random_direction(a.size, seeded(0, k)) for k in range(3)]
    probes = [Probe(v.dot(a), Estimate(v.dot(n), 1e-9, 1e-6)) for v in directions]
    probes[1] = replace(probes[1], slope=Estimate(math.nan, math.inf, 1e-6))
    block = WrongBlock.of("W", a, a, directions, probes, exact=False)
    assert block.count == 2
    assert block.directions == (directions[0], directions[2])


def test_a_step_that_was_rounded_widens_the_error():
    a, n = pair()
    direction = random_direction(a.size, seeded(0, 0))
    # Moved along another direction than asked for, as float32 parameters are.
    probe = Probe(direction.dot(a) + 1e-4, Estimate(direction.dot(n), 1e-9, 1e-6))
    block = WrongBlock.of("W", a, a, [direction], [probe], exact=False)
    assert block.errors[0] == pytest.approx(1e-4 + 1e-9, rel=1e-6)
