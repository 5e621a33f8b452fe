"""The causes of one scene: guesses that hold and are confirmed, then experiments.

A guess was fitted on the probes that it explains, so it must hold where it was not fitted: along
fresh directions or, for blocks of few elements, of which those say nothing new, at another point.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from gradhook.diagnosis.case import Scene
from gradhook.diagnosis.constants import circumstance
from gradhook.diagnosis.experiments import experiments
from gradhook.diagnosis.fit import Guess, alike, fit, fitted
from gradhook.diagnosis.layout import FORMS, form, misplaced, misplaced_beside_penalty
from gradhook.diagnosis.penalty import told_by_penalty
from gradhook.diagnosis.scale import factors, factors_beside_penalty, shared_factor
from gradhook.diagnosis.wording import listed, name_form
from gradhook.diagnosis.wrong_block import WrongBlock, is_vector
from gradhook.diagnosis.zeros import Explained, wrong_parts
from gradhook.probe.result import SettingResult
from gradhook.report import Cause

__all__ = ["diagnose", "guessed"]

TINY = 4
"""Blocks of up to so many elements have too few of them to confirm a guess at one point."""

SAME = 1e-4
"""Relative difference below which a coefficient is the same at two points."""


def diagnose(scene: Scene, measured: Sequence[SettingResult]) -> list[Cause]:
    """The confirmed causes of a scene's wrong blocks, each of which is explained at most once.

    Args:
        scene: The setting.
        measured: What every setting said, to see a guess again at another point.
    """
    causes: list[Cause] = []
    open_: list[str] = list(scene.blocks)
    doubted: set[str] = set()
    for guess in guessed(scene):
        if not all(name in open_ for name in guess.cause.blocks):
            continue
        if not _confirmed(scene, guess, measured):
            doubted |= set(guess.cause.blocks)
            continue
        cause = guess.cause
        told = told_by_penalty(scene, cause) if cause.family == "R" else cause
        if told is None:
            continue
        causes.append(told)
        open_ = [name for name in open_ if name not in cause.blocks]
        if not open_:
            return causes
    return [*causes, *experiments(scene, open_, doubted)]


def _confirmed(scene: Scene, guess: Explained, measured: Sequence[SettingResult]) -> bool:
    if not guess.predicted:
        return True
    if all(scene.blocks[name].gradient.size <= TINY for name in guess.predicted):
        return _seen_again(scene, guess, measured)
    return scene.confirms(guess.predicted, guess.inside)


def _seen_again(scene: Scene, guess: Explained, measured: Sequence[SettingResult]) -> bool:
    """Whether a guess on few elements, that fresh directions say nothing new of, holds elsewhere.

    Where no other point was measured a factor must mean something.
    """
    names, moves = guess.cause.blocks, scene.measured.setting.moves
    others = (m for m in measured if m.setting.moves is not moves)
    other = next((m for m in others if all(map(m.shows_wrong, names))), None)
    if other is None:
        return guess.cause.kind not in ("scale", "reg_ones_on_bias", "reg_coefficient")
    there = Scene(
        scene.evaluator, other, names, scene.right, scene.order, scene.options, scene.budget
    )
    for name in names:  # a short block's directions are too few to tell
        there.blocks[name] = there.by_element(name)
    same = any(_is_same(again, guess) for again in guessed(there))
    scene.enter()
    return same


def _is_same(one: Explained, other: Explained) -> bool:
    if one.cause.kind != other.cause.kind:
        return False
    if one.cause.family == "R" or one.coefficient != one.coefficient:
        return True
    return abs(one.coefficient - other.coefficient) <= SAME * abs(other.coefficient)


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
