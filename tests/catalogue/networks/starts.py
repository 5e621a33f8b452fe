"""Where a network stands when its gradient is checked.

*Notebook* is how training starts in most teaching material: small weights, zero biases.  It hides
bugs (every activation is linear at W = 0.01, what multiplies a zero bias is zero) and puts ReLU
units next to their kinks.  *Generic* is a point at which nothing is zero, small or equal by
construction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, TypeAlias

import numpy as np

from gradhook._types import Blocks
from tests.catalogue.layers.run import Block

__all__ = ["Start", "generic", "notebook"]

Start: TypeAlias = Literal["notebook", "generic", "special"]
"""Where a case stands; ``"special"`` is where a false alarm is known to happen."""


def notebook(blocks: Iterable[Block], rng: np.random.Generator) -> Blocks:
    """Return ``W = 0.01 * randn``, ``b = 0``, ``gamma = 1``, ``beta = 0``."""
    values = {"bias": 0.0, "gain": 1.0, "shift": 0.0}
    return {
        block.name: 0.01 * rng.standard_normal(block.shape)
        if block.role == "weight"
        else np.full(block.shape, values[block.role])
        for block in blocks
    }


def generic(blocks: Iterable[Block], rng: np.random.Generator) -> Blocks:
    """Return ``W ~ N(0, 1/fan_in)``, biases and shifts ~ N(0, 0.3²), gains 1 + U(-½, ½)."""
    point: Blocks = {}
    for block in blocks:
        if block.role == "weight":
            point[block.name] = rng.standard_normal(block.shape) / math.sqrt(block.fan_in)
        elif block.role == "gain":
            point[block.name] = 1 + rng.uniform(-0.5, 0.5, block.shape)
        else:
            point[block.name] = 0.3 * rng.standard_normal(block.shape)
    return point
