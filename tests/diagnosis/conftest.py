"""Wrong blocks of which both gradients are known, and a few products of the numerical one seen."""

import numpy as np
import pytest

from gradhook.diagnosis.wrong_block import WrongBlock
from gradhook.difference.base import Estimate
from gradhook.evaluation.directions import random_direction, seeded
from gradhook.verdict.evidence import Probe


@pytest.fixture(scope="session")
def wrong_block():
    """Return a function that measures a block along random directions, or element by element.

    ``error`` is that of each slope relative to the norm of the numerical gradient; slopes are off
    by less than it.
    """

    def measured(analytic, numerical, values=None, *, count=5, error=1e-9, seed=0, name="W"):
        rng = np.random.default_rng([seed, analytic.size])
        if values is None:
            values = rng.standard_normal(analytic.shape)
        exact = count is None
        directions = [random_direction(analytic.size, seeded(seed, k)) for k in range(count or 0)]
        pairs = (
            zip(analytic.ravel(), numerical.ravel(), strict=True)
            if exact
            else [(v.dot(analytic), v.dot(numerical)) for v in directions]
        )
        size = error * float(np.linalg.norm(numerical))
        probes = [
            Probe(float(a), Estimate(float(n) + size * rng.uniform(-1, 1), size, 1e-6))
            for a, n in pairs
        ]
        return WrongBlock.of(name, analytic, values, directions, probes, exact=exact)

    return measured
