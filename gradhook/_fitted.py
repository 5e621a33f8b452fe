"""One number per block, fitted to the probes: a factor, or the coefficient of a penalty.

Blocks that share a number have it from one fit, in which each helps the others; those that do not
are fitted alone, and grouped where their numbers are equal within their errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gradhook._parts import SAME
from gradhook._scene import Scene
from gradhook._types import Array
from gradhook.verdict.fits import Fit, Guess, fit
from gradhook.verdict.wrong import WrongBlock

__all__ = ["OUT", "Fitted", "alike", "fitted", "is_vague"]

ZERO = 1e-9
"""A coefficient below which the numerical gradient is zero, and no multiple of the analytic one."""

OUT = " once the penalty is taken out"
"""Said of what was fitted together with a penalty that is right."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A number fitted to one block.

    Args:
        guess: What the numerical gradient may be.
        found: The fit that holds.
        value: The number.
        error: Its error estimate.
    """

    guess: Guess
    found: Fit
    value: float
    error: float

    @classmethod
    def of(cls, guess: Guess, found: Fit) -> Fitted:
        """The guess's first coefficient."""
        return cls(guess, found, found.coefficients[0], found.errors[0])

    def inverted(self) -> Fitted:
        """The factor of ``a = factor · n``, where ``n = value · a`` was fitted."""
        factor = 1 / self.value
        return replace(self, value=factor, error=self.error * factor * factor)

    @property
    def predicted(self) -> Array:
        """The numerical gradient that the fit predicts; the block's shape."""
        return self.guess.at(self.found.coefficients)

    def equals(self, other: Fitted) -> bool:
        """Whether both numbers are one, within their errors."""
        allowed = max(SAME * abs(self.value), 3 * (self.error + other.error))
        return abs(self.value - other.value) <= allowed


def fitted(
    scene: Scene, guess: Callable[[WrongBlock], Guess], *, spare: int = 2
) -> dict[str, Fitted]:
    """A number that all blocks share, else one for each block that has one.

    Args:
        scene: The setting.
        guess: Makes the guess for a block.
        spare: How many numbers a block by itself must have beyond the coefficients.
    """
    tolerance = scene.options.tolerance
    guesses = {name: guess(block) for name, block in scene.blocks.items()}
    shared = fit(list(guesses.values()), tolerance)
    numbers = {}
    for name, made in guesses.items():
        found = shared or fit([made], tolerance, spare=spare)
        if found is not None and not is_vague(found):
            numbers[name] = Fitted.of(made, found)
    return numbers


def is_vague(found: Fit) -> bool:
    """Whether the first coefficient may be zero, or is known to a hundredth at best."""
    return abs(found.coefficients[0]) < max(ZERO, 100 * found.errors[0])


def alike(numbers: Mapping[str, Fitted]) -> list[list[str]]:
    """Names of the blocks, those with equal numbers together."""
    groups: list[list[str]] = []
    for name, number in numbers.items():
        same = (group for group in groups if number.equals(numbers[group[0]]))
        group = next(same, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return groups
