"""Causes that the probes made already support: they cost no evaluation until they are confirmed.

A layout, a factor, a penalty, parts that are zero: the numerical gradient is then a known array, or
a multiple of one, and what was measured of it tells.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from gradhook._circumstance import circumstance
from gradhook._factors import factors, factors_beside_penalty, shared_factor
from gradhook._fitted import alike, fitted
from gradhook._misplaced import misplaced, misplaced_beside_penalty
from gradhook._parts import Explained, wrong_parts
from gradhook._scene import Scene
from gradhook.report import Cause
from gradhook.verdict.fits import Guess, fit
from gradhook.verdict.guesses import FORMS, form
from gradhook.verdict.naming import listed, name_form
from gradhook.verdict.wrong import WrongBlock, is_vector

__all__ = ["guessed"]


def guessed(scene: Scene) -> Iterator[Explained]:
    """Causes of the scene's wrong blocks that hold on the probes there are, the surest first.

    Args:
        scene: The setting.

    Yields:
        Guesses, to be confirmed; a block may be in several.
    """
    seen = circumstance(scene)
    yield from _zeros(scene)
    yield from shared_factor(scene, seen)
    yield from factors(scene, seen, meaningful=True)
    yield from _integers(scene)
    yield from misplaced(scene)
    yield from _penalties(scene)
    yield from factors(scene, seen, meaningful=False)
    yield from wrong_parts(scene)
    yield from factors_beside_penalty(scene, seen)
    yield from misplaced_beside_penalty(scene)


def _zeros(scene: Scene) -> Iterator[Explained]:
    for block in scene.blocks.values():
        if np.any(block.gradient) or any(np.any(g[block.name]) for g in scene.elsewhere):
            continue
        guess = Guess(block, None, (block.values,))
        if fit([guess], scene.options.tolerance) is not None:
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


def _cut_to_integers(block: WrongBlock) -> Explained:
    cause = Cause(
        "D", "integer_buffer", (block.name,),
        f"{listed([block.name])} is cut to whole numbers: written into an integer array",
        evidence=f"all of its {block.gradient.size} elements are whole numbers",
        refuted_by="an element that is not whole",
    )  # fmt: skip
    return Explained(cause, {})


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


def _integers(scene: Scene) -> Iterator[Explained]:
    for block in scene.blocks.values():
        a = block.gradient
        whole = a.size > 1 and np.any(a) and np.all(a == np.rint(a))
        # What is cut off is less than one.
        less = block.residual_norm < np.sqrt(a.size)
        if block.name in scene.evaluator.integer_gradients or (whole and less):
            yield _cut_to_integers(block)


def _penalties(scene: Scene) -> Iterator[Explained]:
    done: set[str] = set()
    for key in FORMS:
        # By how much the loss's penalty exceeds the gradient's.
        numbers = fitted(scene, functools.partial(form, key))
        missing = {name: number for name, number in numbers.items() if name not in done}
        done |= set(missing)
        for names in alike(missing):
            first = missing[names[0]]
            cause = name_form(
                names,
                key,
                first.value,
                first.error,
                biases=all(scene.blocks[name].is_vector for name in names),
                all_blocks=len(names) == len(scene.gradients),
            )
            predicted = {name: missing[name].predicted for name in names}
            yield Explained(cause, predicted, coefficient=first.value)
