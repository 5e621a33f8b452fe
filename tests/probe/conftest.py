"""Smooth functions of one number with known derivatives, of many scales and precisions."""

from dataclasses import dataclass

import numpy as np
import pytest

SHAPES = (
    (np.sin, np.cos),
    (np.exp, np.exp),
    (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    (lambda u: np.log1p(np.exp(u)), lambda u: 1 / (1 + np.exp(-u))),
    (lambda u: u**3 - 2 * u, lambda u: 3 * u**2 - 2),
    (lambda u: 1 / (1 + u**2), lambda u: -2 * u / (1 + u**2) ** 2),
    (lambda u: np.sqrt(1 + u**2), lambda u: u / np.sqrt(1 + u**2)),
    (lambda u: np.exp(-(u**2)) + 0.3 * u, lambda u: -2 * u * np.exp(-(u**2)) + 0.3),
)
"""Shape and derivative, both of unit scale around 0 to 2."""


@dataclass(frozen=True)
class Smooth:
    """``amplitude * shape(u0 + bend * t) + offset`` evaluated in a dtype."""

    shape: int
    start: float
    bend: float
    amplitude: float
    offset: float
    dtype: type

    def __call__(self, t):
        u = self.dtype(self.start + self.bend * t)
        value = self.dtype(self.amplitude) * SHAPES[self.shape][0](u) + self.dtype(self.offset)
        return float(value)

    @property
    def slope(self):
        return float(self.amplitude * self.bend * SHAPES[self.shape][1](np.float64(self.start)))


def family(*, count, seed, dtype=np.float64, plain=False):
    """Random functions; ``plain`` ones have unit scale and no offset."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        small = dtype is np.float32
        amplitude = 1.0 if plain else 10.0 ** rng.uniform(*((-6, 6) if small else (-12, 12)))
        offset = 0.0
        if not plain and k % 3 == 0:
            offset = amplitude * 10.0 ** rng.uniform(0, 4 if small else 9)
        yield Smooth(
            k % len(SHAPES),
            rng.uniform(0.1, 1.9),
            1.0 if plain else 10.0 ** rng.uniform(-0.5, 0.5),
            amplitude,
            offset,
            dtype,
        )


@pytest.fixture
def smooth_functions():
    return family
