"""Several hundred smooth lines with known derivatives, for the methods to be measured on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from gradhook.difference import Line, noise_level


@dataclass(frozen=True, slots=True)
class SmoothLine:
    """A line, its derivative at 0, the noise measured on it, its offset, and what it is."""

    line: Line
    slope: float
    noise: float
    offset: float
    name: str


Piece = tuple[Line, float]


def polynomial(rng: np.random.Generator, rate: float, shift: float) -> Piece:
    coefficients = [float(c) * rate**k for k, c in enumerate(rng.normal(size=6))]

    def line(t: float) -> float:
        value = 0.0
        for coefficient in reversed(coefficients):
            value = value * t + coefficient
        return value

    return line, coefficients[1]


def exponential(rng: np.random.Generator, rate: float, shift: float) -> Piece:
    return lambda t: math.exp(rate * t + shift), rate * math.exp(shift)


def sine(rng: np.random.Generator, rate: float, shift: float) -> Piece:
    return lambda t: math.sin(rate * t + shift), rate * math.cos(shift)


def rational(rng: np.random.Generator, rate: float, shift: float) -> Piece:
    return lambda t: 1 / (1 + (rate * t + shift) ** 2), -2 * shift * rate / (1 + shift**2) ** 2


def logistic(rng: np.random.Generator, rate: float, shift: float) -> Piece:
    return (
        lambda t: 1 / (1 + math.exp(-rate * t - shift)),
        rate * math.exp(-shift) / (1 + math.exp(-shift)) ** 2,
    )


def mixture(rng: np.random.Generator, rate: float, shift: float) -> Piece:
    parts = [random_piece(rng, PIECES) for _ in range(3)]
    weights = [float(weight) for weight in rng.normal(size=3)]
    return (
        lambda t: sum(w * line(t) for w, (line, _) in zip(weights, parts, strict=True)),
        sum(w * slope for w, (_, slope) in zip(weights, parts, strict=True)),
    )


Maker = Callable[[np.random.Generator, float, float], Piece]
PIECES: list[Maker] = [polynomial, exponential, sine, rational, logistic]


def random_piece(rng: np.random.Generator, makers: list[Maker]) -> Piece:
    # Rates of 1/5 to 5 either way: a displacement of order one is natural, as a line promises.
    rate = float(np.exp(rng.uniform(-math.log(5), math.log(5))) * rng.choice([-1, 1]))
    return makers[rng.integers(len(makers))](rng, rate, float(rng.uniform(-2, 2)))


def smooth_line(seed: int, *, single: bool) -> SmoothLine:
    rng = np.random.default_rng(seed)
    line, slope = random_piece(rng, [*PIECES, mixture])
    if single:
        scale = 10.0 ** rng.uniform(-6, 6)
        offset = 0.0 if rng.random() < 0.5 else scale * 10.0 ** rng.uniform(-2, 2)
    else:
        scale = 10.0 ** rng.uniform(-12, 12)
        offset = 0.0 if rng.random() < 0.5 else 10.0 ** rng.uniform(-3, 9)

    def evaluate(t: float) -> float:
        value = scale * line(t) + offset
        return float(np.float32(value)) if single else value

    found = noise_level(evaluate)
    name = f"seed {seed}, scale {scale:g}, offset {offset:g}"
    return SmoothLine(evaluate, scale * slope, max(found.level, found.floor), offset, name)


@pytest.fixture(scope="session")
def smooth_lines() -> list[SmoothLine]:
    """600 lines evaluated in float64: scales 1e-12 to 1e12, half with an offset of up to 1e9."""
    return [smooth_line(seed, single=False) for seed in range(600)]


@pytest.fixture(scope="session")
def single_lines() -> list[SmoothLine]:
    """300 lines rounded to float32: half with an offset of up to 100 times their scale."""
    return [smooth_line(seed, single=True) for seed in range(10_000, 10_300)]


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
        # An array of one: NumPy 1 computes with single float32 numbers and Python's in float64.
        u = np.full(1, self.start + self.bend * t, self.dtype)
        value = self.dtype(self.amplitude) * SHAPES[self.shape][0](u) + self.dtype(self.offset)
        return float(value[0])

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
