"""Blocks that are wrong in a part that can be seen from outside: zero slices, clipped elements.

What is zero may be rightly so (a pixel that is black in every row, a word that the batch does not
use), so each zero slice is looked at before it is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from gradhook._types import Array, Box
from gradhook.diagnosis.case import Scene
from gradhook.diagnosis.wording import listed
from gradhook.diagnosis.wrong_block import WrongBlock
from gradhook.report import Cause
from gradhook.verdict.evidence import Location

__all__ = ["EXACTLY", "SAME", "Explained", "wrong_parts", "zero_slices"]

SAME = 1e-6
"""Relative difference below which two fitted coefficients are one."""

EXACTLY = 1e-9
"""Relative difference of arrays that are equal but for rounding."""

ROUNDING = 1e-12
"""Share of the numerical gradient below which a gradient is rounding."""

FEW = 4
"""Elements up to which those that are not clipped say too little."""

NAMED = 5
"""Slices that are named one by one."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A cause that holds on the probes, and what it predicts.

    Args:
        cause: The cause.
        predicted: The numerical gradient by block.
        inside: By block, elements that the prediction leaves open.
        coefficient: What was fitted, ``nan`` where nothing was.
    """

    cause: Cause
    predicted: Mapping[str, Array]
    inside: Mapping[str, Array] = field(default_factory=dict)
    coefficient: float = math.nan


def zero_slices(block: WrongBlock, location: Location) -> Cause | None:
    """The cause of wrong slices that a search has found, where they are zero; else ``None``."""
    sliced = [_sliced(box, block.shape) for box in location.boxes]
    axes = {axis for axis, _ in sliced}
    if not location.complete or len(axes) != 1 or None in axes or block.gradient.ndim < 2:
        return None
    axis = sliced[0][0]
    assert axis is not None
    indices = np.array([index for _, index in sliced])
    if not set(indices) <= set(_empty_slices(block, axis)):
        return None
    return _named(block, axis, indices)


def _sliced(box: Box, shape: tuple[int, ...]) -> tuple[int | None, int]:
    """The axis and the place of a box that is one whole slice; no axis for any other box."""
    short = [i for i, part in enumerate(box) if part.stop - part.start < shape[i]]
    if len(short) != 1 or box[short[0]].stop - box[short[0]].start != 1:
        return None, 0
    return short[0], box[short[0]].start


def wrong_parts(scene: Scene) -> Iterator[Explained]:
    """Blocks that are wrong only where their gradient is zero, or cut at one size."""
    cut: dict[float, list[str]] = {}
    for block in scene.blocks.values():
        a = block.gradient
        if a.size < 2:
            continue
        for axis in range(a.ndim) if a.ndim > 1 else ():
            empty = scene.wrong_slices(block.name, axis, _empty_slices(block, axis))
            if 0 < len(empty) <= a.shape[axis] // 2:
                mask = np.zeros(a.shape, dtype=bool)
                np.moveaxis(mask, axis, 0)[empty] = True
                cause = _named(block, axis, empty)
                yield Explained(cause, {block.name: a}, {block.name: mask})
        top = float(np.max(np.abs(a)))
        if top > ROUNDING * float(np.max(np.abs(block.slopes), initial=0.0)) and _is_cut(
            scene, block, top
        ):
            cut.setdefault(top, []).append(block.name)
    for top, names in cut.items():
        masks = {name: np.abs(scene.gradients[name]) == top for name in names}
        many = sum(int(np.count_nonzero(mask)) for mask in masks.values())
        cause = Cause(
            "M", "clipped", tuple(names),
            f"{listed(names)} cut off at ±{top:.6g}: {many} of "
            f"{sum(mask.size for mask in masks.values())} elements stand at that size, and the "
            "others are right; clip after the check, not in the function that it checks",
            evidence="wrong only where the gradient has its largest size",
            refuted_by="a wrong element of another size",
        )  # fmt: skip
        partly = [name for name in names if not np.all(masks[name])]
        yield Explained(
            cause, {n: scene.gradients[n] for n in partly}, {n: masks[n] for n in partly}
        )


def _is_cut(scene: Scene, block: WrongBlock, top: float) -> bool:
    """Whether elements stand at one size as clipped ones do."""
    a = block.gradient
    at_top = np.abs(a) == top
    if block.exact:
        n = block.slopes.reshape(a.shape)
        if not np.all((n * np.sign(a) > top - block.errors.reshape(a.shape))[at_top]):
            return False
    if np.all(at_top) or a.size <= FEW:  # no other elements, or too few, to be found right
        return any(np.max(np.abs(g[block.name])) == top for g in scene.elsewhere)
    return bool(np.count_nonzero(at_top) >= 2)


def _empty_slices(block: WrongBlock, axis: int) -> Array:
    """Slices that hold no data term: zero, or a multiple of the weights that all of them share."""
    a, w = (
        np.moveaxis(x, axis, 0).reshape(block.shape[axis], -1)
        for x in (block.gradient, block.values)
    )
    zero = np.flatnonzero(~np.any(a, axis=1))
    if len(zero) or a.shape[1] < 2:
        return zero
    for basis in (w, np.sign(w)):
        sizes = np.einsum("ij,ij->i", basis, basis)
        with np.errstate(all="ignore"):
            factors = np.einsum("ij,ij->i", a, basis) / sizes
            left = np.linalg.norm(a - factors[:, None] * basis, axis=1)
            alike = left <= EXACTLY * np.linalg.norm(a, axis=1)
        if np.any(alike) and np.ptp(factors[alike]) <= SAME * np.max(np.abs(factors[alike])):
            return np.flatnonzero(alike)
    return zero


def _named(block: WrongBlock, axis: int, empty: Array) -> Cause:
    """The cause of zero slices that are wrong, beside nothing else."""
    a = block.gradient
    ends = len(empty) == 1 and int(empty[0]) in (0, a.shape[axis] - 1)
    index = ", ".join(
        (str(int(empty[0])) if len(empty) == 1 else "…") if i == axis else ":"
        for i in range(a.ndim)
    )
    what = ("row", "column")[axis] if a.ndim == 2 else "slice"
    kind = "last_row_missing" if axis == 0 else "last_column_missing"
    listed_ = ", ".join(str(int(i)) for i in empty[:NAMED]) + (", …" if len(empty) > NAMED else "")
    what_ = f"{what} {listed_} is" if len(empty) == 1 else f"{what}s {listed_} are"
    likely = "Likely a loop that stops one short." if ends else "Nothing is written there."
    return Cause(
        "W", kind, (block.name,),
        f"{block.name}[{index}] wrong, and nothing else: {what_} zero. {likely}",
        where=f"{block.name}[{index}]",
        evidence="all other elements are right along fresh directions",
        refuted_by="a wrong element elsewhere",
    )  # fmt: skip
