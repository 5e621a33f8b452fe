"""True error of a slope against the error that its estimate claims, over random smooth functions.

    python tests/benchmarks/error_estimates.py [--quick] [--svg FILE]

Prints, per precision, how often the true error exceeds the claimed one, the largest share, and how
sharp the claim is; the same for long steps on lines of networks in noise, and how much they gain;
and draws one against the other, as text or as an SVG file.
"""

import argparse
import importlib.util
import math
import platform
import sys
from pathlib import Path

import numpy as np

import gradhook
from gradhook.difference.long_steps import long_steps
from gradhook.difference.noise import measure_noise
from gradhook.difference.search import SHARP, SearchOptions, search

HERE = Path(__file__).resolve().parent


def from_tests(name):
    """A module of the tests of this room, which holds the lines that they draw."""
    spec = importlib.util.spec_from_file_location(name, HERE.parent / "difference" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def smooth_functions():
    """The family that the tests draw from."""
    return from_tests("conftest").family


def estimate(function):
    """The slope at 0 as a check measures it."""
    at_zero = function(0.0)
    noise = measure_noise(function, at_zero=at_zero, elsewhere=function(0.1)).level
    relative = (noise / abs(at_zero)) ** (1 / 3) if at_zero else 1e-5
    options = SearchOptions(
        min(0.025, max(1e-5, relative)),
        0.1,
        good=lambda slope: slope.error <= 1e-7 * abs(slope.value),
    )
    return search(function, at_zero, SHARP, options, noise=noise)


def measured(count, seed, **options):
    """Pairs of claimed and true error, relative to the slope."""
    pairs = []
    for function in smooth_functions()(count=count, seed=seed, **options):
        if abs(function.slope) < 0.05 * function.amplitude * function.bend:
            continue  # relative to a slope that is nearly zero, every error is large
        slope = estimate(function)
        true = max(abs(slope.value - function.slope), 1e-16 * abs(function.slope))
        pairs.append((slope.error / abs(function.slope), true / abs(function.slope)))
    return np.array(pairs)


def in_noise(count):
    """Print how long steps do on lines of networks; whether their errors cover too rarely."""
    lines, failed = from_tests("test_long_steps"), False
    for activation in lines.ACTIVATIONS:
        for noise in (None, 1e-5, 1e-7, 1e-9):
            cases = lines.cases(activation, noise, count)
            found = [long_steps(c.line, c.line(0.0), noise=c.noise) for c in cases]
            told = [(c, e) for c, e in zip(cases, found, strict=True) if e.error < math.inf]
            share = np.array([abs(e.value - c.slope) / e.error for c, e in told])
            gain = [lines.two_point_error(c) / e.error for c, e in told]
            failed |= np.mean(share > 1) > (0.03 if activation == "relu" else 0.01)
            print(
                f"long steps, {activation}, {f'noise {noise:g}' if noise else 'float32'}: "
                f"true > claimed in {np.mean(share > 1):.2%}, largest true/claimed "
                f"{share.max():.2f}, median error {np.median(gain):.1f} times below the step "
                f"search's, {np.median([e.error / abs(c.slope) for c, e in told]):.1e} of the "
                f"slope; nothing told {1 - len(told) / count:.0%}, "
                f"{np.mean([e.evaluations for e in found]):.0f} evaluations"
            )
    return failed


def scatter(pairs, *, width=64, height=20):
    """A text picture: claimed error to the right, true error upwards, ``.`` on the diagonal."""
    logs = np.clip(np.log10(pairs), -16, 0)
    grid = [[" "] * width for _ in range(height)]
    for column in range(width):
        grid[height - 1 - column * height // width][column] = "."
    for claimed, true in logs:
        column = min(width - 1, int((claimed + 16) / 16 * width))
        row = height - 1 - min(height - 1, int((true + 16) / 16 * height))
        grid[row][column] = "o"
    lines = ["true error, 1e-16 to 1", *("|" + "".join(row) for row in grid)]
    return "\n".join([*lines, "+" + "-" * width, " claimed error, 1e-16 to 1"])


def svg(pairs, size=480):
    """The same picture as SVG, with logarithmic axes from 1e-16 to 1."""

    def place(value):
        return (math.log10(min(1.0, max(1e-16, value))) + 16) / 16 * size

    dots = "".join(
        f'<circle cx="{place(c):.1f}" cy="{size - place(t):.1f}" r="2"/>' for c, t in pairs
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-50 -10 {size + 60} {size + 50}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{size}" height="{size}" fill="none" stroke="gray"/>'
        f'<line x1="0" y1="{size}" x2="{size}" y2="0" stroke="gray" stroke-dasharray="4"/>'
        f'<g fill="#1f6feb" fill-opacity="0.4">{dots}</g>'
        f'<text x="{size / 2}" y="{size + 30}" text-anchor="middle">'
        "claimed error, 1e-16 to 1</text>"
        f'<text transform="translate(-20 {size / 2}) rotate(-90)" text-anchor="middle">'
        "true error, 1e-16 to 1</text></svg>"
    )


def main():
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the functions")
    parser.add_argument("--svg", type=Path, help="write the picture to this file")
    arguments = parser.parse_args()
    count = 400 if arguments.quick else 4000
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, gradhook, {count} functions"
    )
    print(f"Tolerance: {gradhook.Tolerance()}")
    failed = False
    everything = []
    for name, options in {
        "float64, unit scale": {"plain": True},
        "float64, scales 1e-12 to 1e12, offsets to 1e9": {},
        "float32, scales 1e-6 to 1e6, offsets to 1e4": {"dtype": np.float32},
    }.items():
        pairs = measured(count, 11, **options)
        share = pairs[:, 1] / pairs[:, 0]
        over = np.mean(share > 1)
        failed |= over > 0.01 or share.max() > 3
        print(
            f"{name}: true > claimed in {over:.2%}, largest true/claimed {share.max():.2f}, "
            f"median claimed/true {np.median(1 / share):.1f}, "
            f"median claimed {np.median(pairs[:, 0]):.1e}"
        )
        everything.append(pairs)
    failed |= in_noise(count // 10)
    together = np.concatenate(everything)
    print(scatter(together))
    if arguments.svg:
        arguments.svg.write_text(svg(together), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
