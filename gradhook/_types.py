"""The words that the whole package shares: verdicts, thresholds and type aliases.

A *verdict* is what a check says of one block of parameters, or of all of them.  A *tolerance* holds
every numeric constant of judging, so that no threshold hides in the code and each can be moved, and
tested, alone.
"""

from __future__ import annotations

import enum
import math
import operator
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gradhook.errors import OptionError

Box: TypeAlias = tuple[slice, ...]
"""A part of a block: one slice with plain bounds for each axis, step 1."""

Array: TypeAlias = NDArray[Any]
"""An array of any dtype and shape."""

Blocks: TypeAlias = dict[str, Array]
"""Arrays by block name, in the order in which the user gave them."""

Batch: TypeAlias = tuple[Any, ...]
"""What the objective's functions take besides the parameters."""

Effort: TypeAlias = Literal["quick", "standard", "exhaustive"]


class Verdict(enum.StrEnum):
    """What a check says; compares equal to its own name.

    ``PASS`` the gradient is the gradient of the loss, ``WARN`` they differ slightly, ``FAIL`` the
    gradient is wrong, ``KINK`` they differ only at a tie, ``INCONCLUSIVE`` the check was too coarse
    to tell, ``UNTESTED`` nothing here exercised the block.

    Example:
        >>> from gradhook import Verdict
        >>> Verdict.FAIL == "FAIL", Verdict.FAIL.severity > Verdict.WARN.severity
        (True, True)
    """

    PASS = "PASS"
    UNTESTED = "UNTESTED"
    KINK = "KINK"
    WARN = "WARN"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"

    @property
    def severity(self) -> int:
        """Rank: PASS 0, UNTESTED 1, KINK 2, WARN 3, INCONCLUSIVE 4, FAIL 5."""
        return list(Verdict).index(self)


MISMATCH = (Verdict.FAIL, Verdict.WARN)
"""Verdicts of a loss and a gradient that differ."""


MOST_ROWS = 4093
"""Rows that may stand for a larger batch in the joint probe: a prime, as no loop's cut is."""


@dataclass(frozen=True, slots=True, repr=False)
class Tolerance:
    """Every numeric constant of judging.

    Args:
        warn: Ratio above which a resolved mismatch is a WARN.  Default 1e-6, the geometric midpoint
            of the textbook's 1e-7 (ideal) and 1e-5 (caution).
        fail: Ratio above which a resolved mismatch is a FAIL, and error above which a check is
            INCONCLUSIVE. Default 1e-4, the geometric midpoint of 1e-5 and 1e-3 (bug).
        resolved: A mismatch is resolved when it exceeds this multiple of its own error.
        untested: A block is UNTESTED when both derivatives stay within this multiple of their
            error.
        untested_share: For UNTESTED that error is also at most this share of an ordinary block's
            contribution.
        coverage: Two-sided probability of the interval that a ratio is given before more probes are
            drawn.
        kink_displacement: Distance, in units of each block's scale, to the point at which a
            mismatch at the current point is measured again.
        unexplained: Ratio below which a dense, unexplained mismatch that does not change with the
            step passes; above it lies one whose whole interval does.
        explained: Share of a residual that a cause may leave unexplained.
        coarsest: Error, or ratio within it, above which a check in arithmetic of float32 or coarser
            is INCONCLUSIVE.
        standing_out: Share of the directions along which a mismatch must be resolved.
        rounding: Rounding of the analytic slope, relative to the gradient's norm.
        few: Share of a block's elements up to which several wrong parts are judged by themselves,
            and half of the share of its gradient that they may hold.
        unlike: Multiple of the median ratio beyond which a small block is searched all the same,
            where most blocks have a small mismatch.
        rounded_away: Change of a gradient a few roundings away, relative to its norm, above which
            it is rounding and no gradient, if the numerical one is no larger than that change.
        same_gradient: Relative difference of two gradients up to which calling again has given the
            same.
        same_loss: Relative difference of two losses up to which it has; default 1000 times
            float64's machine epsilon.

    Raises:
        OptionError: A constant is not a positive finite number, or ``warn`` exceeds ``fail``.

    Example:
        >>> from gradhook import Tolerance
        >>> Tolerance(fail=1e-3).warn
        1e-06
    """

    warn: float = 1e-6
    fail: float = 1e-4
    resolved: float = 3.0
    untested: float = 3.0
    untested_share: float = 1e-3
    coverage: float = 0.98
    kink_displacement: float = 1e-3
    unexplained: float = 1e-5
    explained: float = 1e-2
    coarsest: float = 1e-2
    standing_out: float = 0.25
    rounding: float = 1e-15
    few: float = 0.25
    unlike: float = 10.0
    rounded_away: float = 0.03
    same_gradient: float = 1e-9
    same_loss: float = 2.22e-13

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (isinstance(value, (int, float)) and 0 < value < math.inf):
                raise OptionError(
                    f"Tolerance.{field.name} must be a positive finite number, got {value!r}"
                )
        if self.warn > self.fail:
            raise OptionError(
                f"Tolerance.warn ({self.warn:g}) must not exceed Tolerance.fail ({self.fail:g})"
            )

    def __repr__(self) -> str:
        # Thirteen constants would drown the rest of a signature; only those changed are named.
        changed = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        )
        return f"Tolerance({', '.join(changed)})"


def nearest_name(name: str, known: list[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or an empty string."""
    import difflib

    spelt = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), spelt, n=1)
    return f"; did you mean {spelt[close[0]]!r}?" if close else ""


def kind_of(thing: object) -> str:
    """Return the name of a value's class with its indefinite article, as it is spoken.

    Example:
        >>> names = ("Net", "Affine", "MLP", "UNet")
        >>> [kind_of(thing) for thing in (1, None, *(type(name, (), {})() for name in names))]
        ['an int', 'None', 'a Net', 'an Affine', 'an MLP', 'a UNet']
    """
    name = type(thing).__name__
    if name == "NoneType":
        return "None"
    plain = name.lstrip("_")
    # Names of several capitals are spelt: "em el pee".
    spelt = plain[:2].isupper()
    vowel = plain[:1] in "AEFHILMNORSX" if spelt else plain[:1].lower() in "aeio"
    vowel = vowel or (plain.startswith(("nd", "un", "up")) and not plain.startswith("uni"))
    return f"{'an' if vowel and plain else 'a'} {name}"


def is_finite(value: float) -> bool:
    """Whether a real number is neither NaN nor infinite, without a NumPy warning."""
    return bool(np.isfinite(value))


def as_integer(value: Any) -> int | None:
    """Return a Python or NumPy integer as ``int``, and ``None`` for anything else.

    Booleans and floats are something else, ``3.0`` included: a float where a step is counted is a
    mistake somewhere else in the loop.
    """
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
