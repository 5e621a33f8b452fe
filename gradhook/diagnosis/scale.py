"""Factors: gradients that are a multiple of the numerical one, with what the multiple means.

The numerical gradient is then the analytic one over the factor.  A penalty that is added rightly is
no part of the multiple and hides it, unless its coefficient is fitted along: once for all blocks
together, and with a few more probes for single ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from gradhook.diagnosis.case import Scene
from gradhook.diagnosis.constants import Circumstance
from gradhook.diagnosis.fit import OUT, Fitted, alike, fit, fitted, is_vague
from gradhook.diagnosis.layout import scaled, with_penalty
from gradhook.diagnosis.wording import name_scale
from gradhook.diagnosis.zeros import SAME, Explained

__all__ = ["factors", "factors_beside_penalty", "shared_factor"]

MOST, WITH_PENALTY = 3, 4
"""Blocks for which more probes are drawn, to take a penalty out, and how many these need."""


def factors(scene: Scene, seen: Circumstance, *, meaningful: bool) -> Iterator[Explained]:
    """Factors on whole gradients.

    Args:
        scene: The setting.
        seen: Where a factor may come from.
        meaningful: Whether those that mean something are asked for, or the others.  What a factor
            means supports it, so that fewer numbers need to.
    """
    numbers = fitted(scene, scaled, spare=0 if meaningful else 2)
    inverse = {name: number.inverted() for name, number in numbers.items()}
    for explained in _named(scene, seen, inverse):
        if meaningful != (explained.cause.kind == "scale"):
            yield explained


def shared_factor(scene: Scene, seen: Circumstance) -> Iterator[Explained]:
    """One factor on all data terms, with a penalty added rightly to those of the weights.

    Args:
        scene: The setting.
        seen: Where a factor may come from.
    """
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
            if found is None or is_vague(found):
                continue
            numbers = {name: Fitted.of(g, found).inverted() for name, g in guesses.items()}
            if abs(numbers[blocks[0].name].value - 1) < SAME:
                continue  # the penalty alone
            yield from _named(scene, seen, numbers, OUT)
            return


def factors_beside_penalty(scene: Scene, seen: Circumstance) -> Iterator[Explained]:
    """A factor on the data term of single blocks, with a penalty added rightly to it.

    Args:
        scene: The setting.
        seen: Where a factor may come from.
    """
    numbers: dict[str, Fitted] = {}
    weights = [name for name, block in scene.blocks.items() if not block.is_vector]
    for name in weights[-MOST:]:
        block = scene.extended(name, WITH_PENALTY)
        for sign in (False, True):
            guess = with_penalty(scaled(block), sign=sign)
            found = fit([guess], scene.options.tolerance)
            if found is None or is_vague(found):
                continue
            factor = Fitted.of(guess, found).inverted()
            if abs(factor.value - 1) >= SAME:
                numbers[name] = factor
            break
    yield from _named(scene, seen, numbers, OUT)


def _named(
    scene: Scene, seen: Circumstance, numbers: Mapping[str, Fitted], besides: str = ""
) -> Iterator[Explained]:
    """Factors with what they mean, those that are equal together."""
    for names in alike(numbers):
        factor = numbers[names[0]]
        cause = name_scale(
            names,
            factor.value,
            factor.error,
            seen,
            shapes=[scene.blocks[name].shape for name in names],
            everything=not scene.right and len(names) == len(scene.blocks),
            besides=besides,
        )
        # Anything that scales what a layer passes down scales all blocks below it alike.
        several = len(names) > 1 or len(scene.blocks) > 1
        if cause.kind == "scale" and several and scene.right:
            continue
        predicted = {name: numbers[name].predicted for name in names}
        yield Explained(cause, predicted, coefficient=factor.value)
