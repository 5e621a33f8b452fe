"""Gradients whose numbers are right and stand in the wrong place.

Transposed, off by one, reversed, or returned for another block: moved back, the analytic gradient
is the numerical one, and nothing is left to be fitted but a penalty that was added rightly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradhook._fitted import OUT
from gradhook._parts import Explained
from gradhook._scene import Scene
from gradhook._types import Array
from gradhook.report import Cause
from gradhook.verdict.fits import Guess, fit
from gradhook.verdict.guesses import Layout, layouts
from gradhook.verdict.naming import listed
from gradhook.verdict.wrong import WrongBlock

__all__ = ["misplaced", "misplaced_beside_penalty"]

MUCH = 1e-2
"""Share of its own norm that another block's gradient must have to be found in its place."""


def misplaced(scene: Scene) -> Iterator[Explained]:
    """Blocks whose gradient is laid out wrongly, and pairs of which each holds the other's.

    Args:
        scene: The setting.
    """
    swaps: dict[str, str] = {}
    for block in scene.blocks.values():
        layout = _layout_of(scene, block)
        if layout is None:
            continue
        if layout.move is None:
            swaps[block.name] = layout.other
        if layout.move is not None or layout.other not in scene.blocks:
            yield _laid_out(block, layout, _put_right(layout, block, scene))
        elif swaps.get(layout.other) == block.name:
            yield _swapped_pair(scene, block.name, layout.other)


def misplaced_beside_penalty(scene: Scene) -> Iterator[Explained]:
    """Weights whose data term is laid out wrongly, with a penalty added rightly to it.

    Args:
        scene: The setting.
    """
    for block in scene.blocks.values():
        if not block.is_vector:
            yield from _beside_penalty(scene, block)


def _layout_of(scene: Scene, block: WrongBlock) -> Layout | None:
    """The first layout that holds on the probes."""
    for layout in layouts(block, scene.gradients):
        put_right = _put_right(layout, block, scene)
        # Nothing at all is no layout of something.
        if np.linalg.norm(put_right) < MUCH * np.linalg.norm(block.gradient):
            continue
        if fit([Guess(block, put_right)], scene.options.tolerance) is not None:
            return layout
    return None


def _put_right(layout: Layout, block: WrongBlock, scene: Scene) -> Array:
    if layout.move is None:
        return scene.gradients[layout.other]
    return layout.move(block.gradient)


def _laid_out(block: WrongBlock, layout: Layout, predicted: Array, besides: str = "") -> Explained:
    cause = Cause(
        "W", layout.kind, (block.name,),
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


def _beside_penalty(scene: Scene, block: WrongBlock) -> Iterator[Explained]:
    for layout in layouts(block, {}):
        assert layout.move is not None
        put_right = layout.move(block.gradient)
        for penalised in (block.values, np.sign(block.values)):
            guess = Guess(block, put_right, (penalised - layout.move(penalised),))
            found = fit([guess], scene.options.tolerance)
            if found is not None:
                yield _laid_out(block, layout, guess.at(found.coefficients), OUT)
                return
