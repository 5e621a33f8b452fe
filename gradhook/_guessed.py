"""Causes that the probes made already support: they cost no evaluation until they are confirmed.

A layout, a factor, a penalty, parts that are zero: the numerical gradient is then a known array, or
a multiple of one, and what was measured of it tells.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradhook._parts import SAME, Explained, wrong_parts
from gradhook._scene import Scene
from gradhook._types import Array
from gradhook.report import Cause
from gradhook.verdict.constants import Circumstance
from gradhook.verdict.fits import Fit, Guess, fit
from gradhook.verdict.guesses import FORMS, Layout, form, layouts, scaled, with_penalty
from gradhook.verdict.naming import listed, name_form, name_scale
from gradhook.verdict.wrong import WrongBlock, is_vector

__all__ = ["TINY", "guessed"]

ZERO = 1e-9
"""A coefficient below which the numerical gradient is zero, and no multiple of the analytic one."""

MUCH = 1e-2
"""Share of its own norm that another block's gradient must have to be found in its place."""

MOST, WITH_PENALTY = 3, 4
"""Blocks for which more probes are drawn, to take a penalty out, and how many these need."""

OUT = " once the penalty is taken out"

TINY = 4
"""Blocks of up to so many elements have too few of them to confirm a guess at one point."""


def _circumstance(scene: Scene) -> Circumstance:
    """Where a constant factor may come from, read off the batch and the blocks."""
    shapes = {name: g.shape for name, g in scene.gradients.items()}
    last = [shapes[name] for name in scene.order if shapes[name]][-1:]
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
    averaged = any(
        isinstance(item, np.ndarray) and item.dtype.kind == "f" and item.shape == (rows, outputs)
        for item in scene.evaluator.batch[1:]
    )
    counts = (*counted, *negative)
    return Circumstance(rows, outputs, counts, widths, _kept(scene), regression=averaged)


def guessed(scene: Scene) -> Iterator[Explained]:
    """Causes of the scene's wrong blocks that hold on the probes there are, the surest first.

    Args:
        scene: The setting.

    Yields:
        Guesses, to be confirmed; a block may be in several.
    """
    seen = _circumstance(scene)
    yield from _zeros(scene)
    yield from _shared_factor(scene, seen)
    yield from _factors(scene, seen, meaningful=True)
    yield from _integers(scene)
    yield from _layouts(scene)
    yield from _penalties(scene)
    yield from _factors(scene, seen, meaningful=False)
    yield from wrong_parts(scene)
    yield from _factors_beside_penalty(scene, seen)
    yield from _layouts_beside_penalty(scene)


def _zeros(scene: Scene) -> Iterator[Explained]:
    for block in scene.blocks.values():
        if np.any(block.gradient) or any(np.any(g[block.name]) for g in scene.elsewhere):
            continue
        if _holds(scene, Guess(block, None, (block.values,))):
            continue  # a penalty that is missing where nothing else acts
        if block.name in scene.evaluator.integer_gradients:
            yield _cut_to_integers(block)
        elif not _may_cancel(scene, block):
            cause = Cause(
                "D", "disconnected", (block.name,),
                f"{listed([block.name])} is zero, and the loss depends on the block: it is never "
                "written, or what is written is thrown away",
                evidence=f"norm of the numerical gradient {np.linalg.norm(block.slopes):.1e}",
                refuted_by="an element that is not zero",
            )  # fmt: skip
            yield Explained(cause, {})


def _integers(scene: Scene) -> Iterator[Explained]:
    for block in scene.blocks.values():
        a = block.gradient
        whole = a.size > 1 and np.any(a) and np.all(a == np.rint(a))
        # What is cut off is less than one.
        less = block.residual_norm < np.sqrt(a.size)
        if block.name in scene.evaluator.integer_gradients or (whole and less):
            yield _cut_to_integers(block)


def _cut_to_integers(block: WrongBlock) -> Explained:
    cause = Cause(
        "D", "integer_buffer", (block.name,),
        f"{listed([block.name])} is cut to whole numbers: written into an integer array",
        evidence=f"all of its {block.gradient.size} elements are whole numbers",
        refuted_by="an element that is not whole",
    )  # fmt: skip
    return Explained(cause, {})


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
        # Anything that scales what a layer passes down scales all blocks below it alike.
        several = len(names) > 1 or len(scene.blocks) > 1
        if cause.kind == "scale" and several and scene.right:
            continue
        predicted = {n: guesses[n].at(fitted[n][2].coefficients) for n in names}
        yield Explained(cause, predicted, coefficient=factor)


def _may_cancel(scene: Scene, block: WrongBlock) -> bool:
    """Whether the gradient of a bias may be zero because it is summed over the wrong axis.

    The gradients of hinge scores are whole numbers over the rows and sum to zero over the classes;
    those of a softmax leave rounding behind.  A corner of an image may be dead.
    """
    before = [scene.gradients[name] for name in scene.order[: scene.order.index(block.name)]]
    weights = [gradient for gradient in before if not is_vector(gradient.shape)]
    if not block.is_vector or (weights and weights[-1].ndim > 2):
        return block.is_vector
    if block.name != scene.order[-1]:
        return False
    found = scene.by_element(block.name)
    counts = found.slopes * max(1, scene.rows)
    allowed = 3 * found.errors * max(1, scene.rows) + 1e-6
    cancels = abs(float(np.sum(found.slopes))) <= 3 * float(np.sum(found.errors)) + 1e-9
    return bool(found.exact and cancels and np.all(np.abs(counts - np.rint(counts)) <= allowed))


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
        if not block.is_vector:
            yield from _laid_out_beside_penalty(scene, block)


def _laid_out_beside_penalty(scene: Scene, block: WrongBlock) -> Iterator[Explained]:
    for layout in layouts(block, {}):
        assert layout.move is not None
        put_right = layout.move(block.gradient)
        for penalised in (block.values, np.sign(block.values)):
            guess = Guess(block, put_right, (penalised - layout.move(penalised),))
            found = fit([guess], scene.options.tolerance)
            if found is not None:
                yield _laid_out(block, layout, guess.at(found.coefficients), OUT)
                return


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
    done: set[str] = set()
    for key in FORMS:
        # By how much the loss's penalty exceeds the gradient's.
        missing: dict[str, tuple[float, float, Fit]] = {}
        fitted = _fitted(scene, functools.partial(form, key))
        for name, (_, found) in fitted.items():
            if name not in done and not _vague(found):
                missing[name] = (found.coefficients[0], found.errors[0], found)
        done |= set(missing)
        for names in _alike(missing):
            coefficient, error, found = missing[names[0]]
            shared = name_form(
                names,
                key,
                coefficient,
                error,
                biases=all(scene.blocks[name].is_vector for name in names),
                all_blocks=len(names) == len(scene.gradients),
            )
            right = {n: form(key, scene.blocks[n]).at(missing[n][2].coefficients) for n in names}
            yield Explained(shared, right, coefficient=coefficient)


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
        is_on = switch.role == "dropout" and state == "on"
        if is_on and isinstance(value, (int, float)) and 0 < value < 1:
            return float(value if switch.off_values[:1] == (1.0,) else 1 - value)
    return 0.0
