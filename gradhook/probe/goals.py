"""How sharp an estimate of a slope has to be, before it needs no further round."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ENOUGH", "FAIR", "ROUGH", "SHARP", "SHARPEST", "Goal"]


@dataclass(frozen=True, slots=True)
class Goal:
    """The error at which an estimate needs no further round.

    Args:
        relative: Relative error.
        margin: Multiple of the best relative error that the noise allows, where that is more.
    """

    relative: float
    margin: float


SHARP = Goal(1e-7, 3.0)
"""Of a sharp estimate."""

SHARPEST = Goal(SHARP.relative, 0.0)
"""The same whatever the noise."""

FAIR = Goal(1e-6, 3.0)
"""Of a pair."""

ENOUGH = Goal(1e-5, 10.0)
"""Of an estimate that noise limits: it is left as it is."""

ROUGH = Goal(1e-4, 30.0)
"""Of an estimate that is judged by, and no more, where evaluations have run out."""
