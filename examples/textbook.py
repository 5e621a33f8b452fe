"""The textbook's numbers: two-sided against one-sided differences, and what a ratio tells.

For f(θ) = θ³ at θ = 1, where f' = 3, a step of ε = 0.01 gives

    (f(θ + ε) - f(θ - ε)) / 2ε  =  3.0001     error ε²
    (f(θ + ε) - f(θ)) / ε       =  3.0301     error 3ε + ε²

As ε shrinks the errors fall, until round-off, which grows like 1/ε, takes over.  The charts have
-log10(ε) as their horizontal axis:

    python examples/textbook.py
    tensorboard --logdir runs/textbook
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.

from gradhook.difference import Central, Forward
from gradhook.sinks import EventFile

Array: TypeAlias = NDArray[np.float64]

DERIVATIVE = 3.0
"""f'(1) for f(θ) = θ³."""

NOISE = float(np.finfo(np.float64).eps)
"""Round-off of one evaluation of f near 1."""


def cube(t: float) -> float:
    """Return f(1 + t) for f(θ) = θ³: a line through θ = 1, as ``gradhook.difference`` wants it."""
    return (1.0 + t) ** 3


def differences() -> list[tuple[float, float, float]]:
    """Return ``(ε, two-sided, one-sided)`` for ε = 1e-1, 1e-2, …, 1e-12."""
    return [
        (
            epsilon,
            Central(step=epsilon)(cube, noise=NOISE).value,
            Forward(step=epsilon)(cube, noise=NOISE).value,
        )
        for epsilon in (10.0**-exponent for exponent in range(1, 13))
    ]


def textbook_ratio(gradient: Array, numerical: Array) -> float:
    """Return ``‖a - n‖ / (‖a‖ + ‖n‖)`` of two gradients, analytic and numerical."""
    difference = np.linalg.norm(gradient - numerical)
    return float(difference / (np.linalg.norm(gradient) + np.linalg.norm(numerical)))


def numerical_gradient(f: Callable[[Array], float], theta: Array, epsilon: float) -> Array:
    """Return the two-sided difference of ``f`` along every coordinate of ``theta``."""

    def along(direction: Array) -> float:
        return Central(step=epsilon)(lambda t: f(theta + t * direction), noise=NOISE).value

    return np.array([along(direction) for direction in np.eye(theta.size)])


def sines(theta: Array) -> float:
    """Return f(θ) = Σ sin(πθ), whose gradient is π cos(πθ)."""
    return float(np.sum(np.sin(math.pi * theta)))


def ratios() -> list[tuple[str, float, str]]:
    """Return ``(what was written for π cos(πθ), its ratio, what the textbook says of it)``."""
    theta = np.array([0.1, 0.7, -0.4])
    numerical = numerical_gradient(sines, theta, 1e-7)
    cosines = np.cos(math.pi * theta)
    return [
        ("right", textbook_ratio(math.pi * cosines, numerical), "up to 1e-7: very likely right"),
        ("pi as 3.14159", textbook_ratio(3.14159 * cosines, numerical), "up to 1e-5: look again"),
        ("pi as 3.14", textbook_ratio(3.14 * cosines, numerical), "up to 1e-3: be worried"),
        ("pi forgotten", textbook_ratio(cosines, numerical), "above 1e-3: almost surely a bug"),
    ]


def write_charts(rows: list[tuple[float, float, float]], logdir: str) -> None:
    """Write estimates and decimal logarithms of their errors for TensorBoard."""
    charts = EventFile(logdir, run_name="textbook")
    for epsilon, *estimates in rows:
        step = round(-math.log10(epsilon))
        for name, estimate in zip(("two-sided", "one-sided"), estimates, strict=True):
            charts.add_scalar(f"estimate/{name}", estimate, step)
            # Below 1e-17 nothing can be told from 3.
            error = max(abs(estimate - DERIVATIVE), 1e-17)
            charts.add_scalar(f"log10_error/{name}", math.log10(error), step)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    parser = argparse.ArgumentParser(description="Print and chart the textbook's numbers.")
    parser.add_argument(
        "--logdir", default="runs/textbook", help="TensorBoard folder (default: %(default)s)"
    )
    logdir = parser.parse_args(arguments).logdir

    rows = differences()
    print("f(theta) = theta**3 at theta = 1, where f' = 3")
    print(f"{'epsilon':>8}  {'two-sided':>14} {'error':>8}  {'one-sided':>14} {'error':>8}")
    for epsilon, two_sided, one_sided in rows:
        print(
            f"{epsilon:8.0e}  {two_sided:14.10f} {abs(two_sided - DERIVATIVE):8.1e}"
            f"  {one_sided:14.10f} {abs(one_sided - DERIVATIVE):8.1e}"
        )
    own = Central()(cube, noise=NOISE)
    print(
        f"{own.step:8.0e}  {own.value:14.10f}  left to choose; estimates its error: {own.error:.0e}"
    )

    print("\n|a - n| / (|a| + |n|) for f(theta) = sum sin(pi theta), gradient pi cos(pi theta)")
    for written, ratio, reading in ratios():
        print(f"{written:>14}  {ratio:7.1e}   {reading}")

    write_charts(rows, logdir)
    print(f"\nsee the errors in TensorBoard:  tensorboard --logdir {logdir}")


if __name__ == "__main__":
    main()
