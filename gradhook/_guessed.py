"""Causes that the probes made already support: they cost no evaluation until they are confirmed.

A layout, a factor, a penalty, parts that are zero: the numerical gradient is then a known array, or
a multiple of one, and what was measured of it tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradhook._scene import Scene
from gradhook._types import Array
from gradhook.report import Cause
from gradhook.verdict.constants import Circumstance
from gradhook.verdict.fits import Fit, Guess, fit
from gradhook.verdict.guesses import Layout, forms, layouts, scaled, with_penalty
from gradhook.verdict.naming import listed, name_scale, name_weights
from gradhook.verdict.wrong import WrongBlock

__all__ = ["TINY", "Explained", "circumstance", "guessed"]

SAME = 1e-6
"""Relative difference below which two fitted coefficients are one."""

ZERO = 1e-9
"""A coefficient below which the numerical gradient is zero, and no multiple of the analytic one."""

MUCH = 1e-2
"""Share of its own norm that another block's gradient must have to be found in its place."""

MOST, WITH_PENALTY = 3, 4
"""Blocks for which more probes are drawn, to take a penalty out, and how many these need."""

OUT = " once the penalty is taken out"

EXACTLY = 1e-9
"""Relative difference of arrays that are equal but for rounding."""

TINY = 4
"""Blocks of up to so many elements have too few of them to confirm a guess at one point."""


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


def circumstance(scene: Scene, order: Sequence[str]) -> Circumstance:
    """Where a constant factor may come from, read off the batch and the blocks."""
    shapes = {name: g.shape for name, g in scene.gradients.items()}
    last = [shapes[name] for name in order if shapes[name]][-1:]
    outputs = last[0][-1] if last else 0
    rows = scene.rows
    counted = [
        int(np.count_nonzero(item))
        for item in scene.evaluator.batch
        if isinstance(item, np.ndarray)
        and item.shape == (rows,)
        and (item.dtype.kind == "b" or (item.dtype.kind == "f" and set(np.unique(item)) <= {0, 1}))
    ]
    negative = [
        int(np.count_nonzero(item >= 0))
        for item in scene.evaluator.batch
        if isinstance(item, np.ndarray) and item.dtype.kind == "i" and np.any(item < 0)
    ]
    widths = frozenset(length for shape in shapes.values() for length in shape)
    return Circumstance(rows, outputs, (*counted, *negative), widths, _kept(scene))


def guessed(scene: Scene, order: Sequence[str]) -> Iterator[Explained]:
    """Causes of the scene's wrong blocks that hold on the probes there are, the surest first.

    Args:
        scene: The setting.
        order: All blocks in forward order.

    Yields:
        Guesses, to be confirmed; a block may be in several.
    """
    seen = circumstance(scene, order)
    yield from _zeros(scene)
    yield from _shared_factor(scene, seen)
    yield from _factors(scene, seen, meaningful=True)
    yield from _layouts(scene)
    yield from _penalties(scene)
    yield from _factors(scene, seen, meaningful=False)
    yield from _parts(scene)
    yield from _factors_beside_penalty(scene, seen)
    yield from _layouts_beside_penalty(scene)


def _zeros(scene: Scene) -> Iterator[Explained]:
    integers = scene.evaluator.integer_gradients
    for block in scene.blocks.values():
        a = block.gradient
        whole = np.all(a == np.rint(a)) and a.size > 1
        zero = not np.any(a)
        if not (zero or whole or block.name in integers):
            continue
        if zero and _holds(scene, Guess(block, None, (block.values,))):
            continue  # a penalty that is missing where nothing else acts
        name = listed([block.name])
        if block.name in integers or not zero:
            kind, words = "integer_buffer", "is cut to whole numbers: written into an integer array"
        else:
            kind, words = (
                "disconnected",
                (
                    "is zero, and the loss depends on the block: it is never written, or what is "
                    "written is thrown away"
                ),
            )
        cause = Cause(
            "D", kind, (block.name,), f"{name} {words}",
            evidence=f"norm of the numerical gradient {np.linalg.norm(block.slopes):.1e}",
            refuted_by="an element that is neither whole nor zero",
        )  # fmt: skip
        yield Explained(cause, {})


def _factors(scene: Scene, seen: Circumstance, *, meaningful: bool) -> Iterator[Explained]:
    fitted: dict[str, tuple[float, float, Fit]] = {}
    spare = 0 if meaningful else 2
    for block, found in _fitted(scene, scaled, spare=spare).values():
        if _vague(found):
            continue
        factor = 1 / found.coefficients[0]
        fitted[block.name] = (factor, found.errors[0] * factor * factor, found)
    guesses = {name: scaled(scene.blocks[name]) for name in fitted}
    for explained in _named_factors(scene, seen, fitted, guesses):
        if meaningful != (explained.cause.kind == "scale"):
            yield explained


def _named_factors(
    scene: Scene,
    seen: Circumstance,
    fitted: Mapping[str, tuple[float, float, Fit]],
    guesses: Mapping[str, Guess],
    besides: str = "",
) -> Iterator[Explained]:
    """Factors with what they mean, those that are equal together."""
    for names in _alike(fitted):
        factor, error, _ = fitted[names[0]]
        cause = name_scale(
            names,
            factor,
            error,
            seen,
            shapes=[scene.blocks[name].shape for name in names],
            everything=not scene.right and len(names) == len(scene.blocks),
            besides=besides,
        )
        predicted = {n: guesses[n].at(fitted[n][2].coefficients) for n in names}
        yield Explained(cause, predicted, coefficient=factor)


def _shared_factor(scene: Scene, seen: Circumstance) -> Iterator[Explained]:
    """One factor on all data terms, with a penalty added rightly to those of the weights."""
    blocks = list(scene.blocks.values())
    if len(blocks) < 2 or fit([scaled(b) for b in blocks], scene.options.tolerance) is not None:
        return
    for sign in (False, True):
        for all_penalised in (False, True):
            guesses = {}
            for block in blocks:
                guess = with_penalty(scaled(block), sign=sign)
                if block.is_vector and not all_penalised:
                    guess = replace(guess, terms=(block.gradient, np.zeros(block.shape)))
                guesses[block.name] = guess
            found = fit(list(guesses.values()), scene.options.tolerance)
            if found is None or _vague(found):
                continue
            factor = 1 / found.coefficients[0]
            if abs(factor - 1) < SAME:
                continue  # the penalty alone
            error = found.errors[0] * factor * factor
            fitted = dict.fromkeys(guesses, (factor, error, found))
            yield from _named_factors(scene, seen, fitted, guesses, OUT)
            return


def _fitted(
    scene: Scene, guess: Callable[[WrongBlock], Guess], *, spare: int = 2
) -> dict[str, tuple[WrongBlock, Fit]]:
    """A coefficient for all blocks where they share one, else one for each that has one."""
    blocks, tolerance = list(scene.blocks.values()), scene.options.tolerance
    shared = fit([guess(block) for block in blocks], tolerance)
    if shared is not None:
        return {block.name: (block, shared) for block in blocks}
    alone = {b.name: (b, fit([guess(b)], tolerance, spare=spare)) for b in blocks}
    return {name: (b, found) for name, (b, found) in alone.items() if found is not None}


def _alike(fitted: Mapping[str, tuple[float, float, Fit]]) -> list[list[str]]:
    """Names by equal factor, within their errors."""
    groups: list[list[str]] = []
    for name, (factor, error, _) in fitted.items():
        for group in groups:
            other, its, _ = fitted[group[0]]
            if abs(factor - other) <= max(SAME * abs(factor), 3 * (error + its)):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def _layouts(scene: Scene) -> Iterator[Explained]:
    swaps: dict[str, str] = {}
    for block in scene.blocks.values():
        for layout in layouts(block, scene.gradients):
            put_right = _put_right(layout, block, scene)
            # Nothing at all is no layout of something.
            if np.linalg.norm(put_right) < MUCH * np.linalg.norm(block.gradient):
                continue
            if not _holds(scene, Guess(block, put_right)):
                continue
            if layout.other:
                swaps[block.name] = layout.other
                if swaps.get(layout.other) == block.name:
                    yield _swapped_pair(scene, block.name, layout.other)
                elif layout.other not in scene.blocks:
                    yield _laid_out(block, layout, put_right)
                break
            yield _laid_out(block, layout, put_right)
            break


def _layouts_beside_penalty(scene: Scene) -> Iterator[Explained]:
    for block in scene.blocks.values():
        if block.is_vector:
            continue
        for layout in layouts(block, {}):
            assert layout.move is not None
            put_right = layout.move(block.gradient)
            guess = Guess(block, put_right, (block.values - layout.move(block.values),))
            found = fit([guess], scene.options.tolerance)
            if found is not None:
                yield _laid_out(block, layout, guess.at(found.coefficients), OUT)
                break


def _put_right(layout: Layout, block: WrongBlock, scene: Scene) -> Array:
    if layout.move is None:
        return scene.gradients[layout.other]
    return layout.move(block.gradient)


def _laid_out(block: WrongBlock, layout: Layout, predicted: Array, besides: str = "") -> Explained:
    kind = layout.kind
    cause = Cause(
        "W", kind, (block.name,),
        f"{listed([block.name])} {layout.words}{besides}",
        evidence="its numbers are right and stand in the wrong place",
        refuted_by="a direction along which the rearranged gradient differs",
    )  # fmt: skip
    return Explained(cause, {block.name: predicted})


def _swapped_pair(scene: Scene, first: str, second: str) -> Explained:
    both = sorted((first, second), key=list(scene.gradients).index)
    kind = "bn_swapped" if scene.blocks[first].is_vector else "blocks_swapped"
    cause = Cause(
        "W", kind, tuple(both),
        f"{listed(both)} are exchanged: each is the numerical gradient of the other",
        evidence="equal along every direction once exchanged",
        refuted_by="a direction along which the exchanged gradients differ",
    )  # fmt: skip
    return Explained(cause, {n: scene.gradients[o] for n, o in zip(both, both[::-1], strict=True)})


def _penalties(scene: Scene) -> Iterator[Explained]:
    excess: dict[str, tuple[float, float, Fit]] = {}
    done: set[str] = set()
    for key in ("weights", "constant", "sign", "reg_square", "reg_l1_form"):
        fitted = _fitted(scene, lambda block, key=key: forms(block)[key])  # type: ignore[misc]
        for name, (block, found) in fitted.items():
            (missing,), (error,) = found.coefficients, found.errors
            if name in done:
                continue
            done.add(name)
            if key == "weights":
                excess[name] = (-missing, error, found)
                continue
            predicted = forms(block)[key].at(found.coefficients)
            cause = _form(block, key, missing, error)
            yield Explained(cause, {name: predicted}, coefficient=missing)
    for names in _alike(excess):
        coefficient, error, _ = excess[names[0]]
        biases = all(scene.blocks[name].is_vector for name in names)
        cause = name_weights(names, coefficient, error, biases=biases)
        right = {n: scene.gradients[n] - excess[n][0] * scene.blocks[n].values for n in names}
        yield Explained(cause, right, coefficient=coefficient)


def _form(block: WrongBlock, key: str, missing: float, error: float) -> Cause:
    name = listed([block.name])
    kinds = {
        "constant": (
            "reg_ones_on_bias",
            f"{name} differs by the constant {-missing:.3e} in every element: a penalty's "
            "coefficient added as a number, to a block that the loss does not penalise",
        ),
        "sign": (
            "reg_missing" if missing > 0 else "reg_coefficient",
            f"{name} differs by {-missing:.3e} * sign(W): an L1 term that stands in one of loss "
            "and gradient only; where it is applied outside the loss on purpose, pass "
            f"penalty=L1({abs(missing):.6g})",
        ),
        "reg_square": (
            "reg_square",
            f"{name} holds {missing:.3e} * W**2 where the loss needs {missing:.3e} * W: the "
            "penalty itself in place of its derivative",
        ),
        "reg_l1_form": (
            "reg_l1_form",
            f"{name} holds {missing:.3e} * sign(W) where the loss needs {missing:.3e} * W: the "
            "gradient of an L1 term, the loss of an L2 term",
        ),
    }
    kind, sentence = kinds[key]
    return Cause(
        "R", kind, (block.name,), sentence,
        evidence=f"coefficient {missing:.6e} ± {error:.1g}, the same along every direction",
        refuted_by="a difference that stays when the penalty is off",
    )  # fmt: skip


def _parts(scene: Scene) -> Iterator[Explained]:
    """Blocks that are wrong only where their gradient is zero, or cut at one size."""
    cut: dict[float, list[str]] = {}
    for block in scene.blocks.values():
        a = block.gradient
        if a.size <= TINY:
            continue
        for axis in range(a.ndim) if a.ndim > 1 else ():
            empty = _empty_slices(block, axis)
            if 0 < len(empty) <= a.shape[axis] // 2:
                mask = np.zeros(a.shape, dtype=bool)
                np.moveaxis(mask, axis, 0)[empty] = True
                yield _zero_slices(block, axis, empty, mask)
        top = float(np.max(np.abs(a)))
        at_top = np.abs(a) == top
        both_signs = np.any(a[at_top] > 0) and np.any(a[at_top] < 0)
        if np.count_nonzero(at_top) >= (2 if not np.all(at_top) or both_signs else a.size + 1):
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


def _zero_slices(block: WrongBlock, axis: int, empty: Array, mask: Array) -> Explained:
    a = block.gradient
    ends = len(empty) == 1 and int(empty[0]) in (0, a.shape[axis] - 1)
    index = ", ".join(
        (str(int(empty[0])) if len(empty) == 1 else "…") if i == axis else ":"
        for i in range(a.ndim)
    )
    what = {0: "row", 1: "column"}.get(axis, f"slice of axis {axis}")
    kind = "last_row_missing" if axis == 0 else "last_column_missing"
    listed_ = ", ".join(str(int(i)) for i in empty[:5]) + (", …" if len(empty) > 5 else "")
    what_ = f"{what} {listed_} is" if len(empty) == 1 else f"{what}s {listed_} are"
    likely = "Likely a loop that stops one short." if ends else "Nothing is written there."
    cause = Cause(
        "W", kind, (block.name,),
        f"{block.name}[{index}] wrong, and nothing else: {what_} zero. {likely}",
        where=f"{block.name}[{index}]",
        evidence="all other elements are right along fresh directions",
        refuted_by="a wrong element elsewhere",
    )  # fmt: skip
    return Explained(cause, {block.name: a}, {block.name: mask})


def _factors_beside_penalty(scene: Scene, seen: Circumstance) -> Iterator[Explained]:
    """A factor on the data term of single blocks, with a penalty added rightly to it."""
    fitted: dict[str, tuple[float, float, Fit]] = {}
    guesses: dict[str, Guess] = {}
    weights = [name for name, block in scene.blocks.items() if not block.is_vector]
    for name in weights[-MOST:]:
        block = scene.extended(name, WITH_PENALTY)
        for sign in (False, True):
            guess = with_penalty(scaled(block), sign=sign)
            found = fit([guess], scene.options.tolerance)
            if found is None or _vague(found):
                continue
            factor = 1 / found.coefficients[0]
            if abs(factor - 1) >= SAME:
                fitted[name] = (factor, found.errors[0] * factor * factor, found)
                guesses[name] = guess
            break
    yield from _named_factors(scene, seen, fitted, guesses, OUT)


def _vague(found: Fit) -> bool:
    """Whether a factor may be zero, or is known to a hundredth at best."""
    return abs(found.coefficients[0]) < max(ZERO, 100 * found.errors[0])


def _holds(scene: Scene, guess: Guess) -> bool:
    return fit([guess], scene.options.tolerance) is not None


def _kept(scene: Scene) -> float:
    """Probability that dropout keeps a unit, where a switch says so and it is on."""
    for switch, state in scene.measured.setting.switches:
        value: Any = switch.on
        if switch.role == "dropout" and state == "on" and isinstance(value, (int, float)):
            if 0 < value < 1:
                return float(value if switch.off_values[:1] == (1.0,) else 1 - value)
    return 0.0
