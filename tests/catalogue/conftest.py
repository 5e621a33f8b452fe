"""Cases, and an oracle that shares nothing with the package: central differences at many steps."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests import catalogue

ROUND_OFF = 4 * np.finfo(np.float64).eps


def slope(phi: Callable[[float], float]) -> float:
    """Return phi'(0): of central differences at falling steps, the one its neighbour confirms best.

    A kink or a truncation error inside a step shows as a change from one step to the next;
    round-off is eps * |phi| / h.  The analytic gradient has no say in the choice.
    """
    steps = 4.0 ** -np.arange(5, 13)
    values = [(phi(h), phi(-h)) for h in steps]
    slopes = [(up - down) / (2 * h) for (up, down), h in zip(values, steps, strict=True)]
    doubts = [
        abs(slopes[i + 1] - slopes[i]) + ROUND_OFF * max(map(abs, values[i])) / steps[i + 1]
        for i in range(len(steps) - 1)
    ]
    best = int(np.argmin(doubts))
    # Richardson: the leading error falls by 16 from one step to the next.
    return (16 * slopes[best + 1] - slopes[best]) / 15


@pytest.fixture(scope="session")
def seed_zero():
    return tuple(catalogue.cases([0]))


@pytest.fixture
def drawn(seed_zero):
    """Every case of seed 0, with functions that have not been called yet."""
    return [replace(case) for case in seed_zero]


@pytest.fixture(scope="session")
def worst_error():
    """Return a function that measures how wrong the gradients of a problem's right code are.

    Along one element and a random direction of each block together, in units of the block's scale;
    relative to the block's largest entry, or to 1e-4 of the largest of all where it vanishes.
    """

    def measure(problem, parameters, switches) -> dict[str, float]:
        rng = np.random.default_rng(12345)

        def evaluate(moved):
            np.random.seed(0)
            # A fresh function: the same dropout masks, and no state from the call before.
            return problem.build("")(moved, *problem.batch, **switches)

        _, gradients = evaluate(parameters)
        scales = {name: float(np.sqrt(np.mean(np.square(p)))) for name, p in parameters.items()}
        sizes = {name: scales[name] * float(np.abs(gradients[name]).max()) for name in parameters}
        floor = 1e-4 * max(sizes.values())
        errors = {}
        for name, value in parameters.items():
            element = np.eye(1, value.size, rng.integers(value.size))
            mixed = rng.standard_normal(value.size) / np.sqrt(value.size)
            v = scales[name] * (element + mixed).reshape(value.shape)

            def phi(t, name=name, v=v):
                return evaluate({**parameters, name: parameters[name] + t * v})[0]

            error = abs(slope(phi) - float(np.sum(gradients[name] * v)))
            errors[name] = error / max(sizes[name], floor)
        return errors

    return measure
