"""The causes of one scene: guesses that hold and are confirmed, then experiments.

A guess was fitted on the probes that it explains, so it must hold where it was not fitted: along
fresh directions or, for blocks of few elements, of which those say nothing new, at another point.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradhook._experiments import experiments
from gradhook._guessed import guessed
from gradhook._measured import Measured
from gradhook._parts import Explained
from gradhook._penalty_told import told_by_penalty
from gradhook._scene import Scene
from gradhook.report import Cause

__all__ = ["diagnose"]

TINY = 4
"""Blocks of up to so many elements have too few of them to confirm a guess at one point."""

SAME = 1e-4
"""Relative difference below which a coefficient is the same at two points."""


def diagnose(scene: Scene, measured: Sequence[Measured]) -> list[Cause]:
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


def _confirmed(scene: Scene, guess: Explained, measured: Sequence[Measured]) -> bool:
    if not guess.predicted:
        return True
    if all(scene.blocks[name].gradient.size <= TINY for name in guess.predicted):
        return _seen_again(scene, guess, measured)
    return scene.confirms(guess.predicted, guess.inside)


def _seen_again(scene: Scene, guess: Explained, measured: Sequence[Measured]) -> bool:
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
