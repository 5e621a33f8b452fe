"""Gradients whose numbers are right and stand in the wrong place.

Transposed, off by one, reversed, or returned for another block: moved back, the analytic gradient
is the numerical one, and nothing is left to be fitted but a penalty that was added rightly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.case import Scene
from gradhook.diagnosis.fit import OUT, Guess, fit
from gradhook.diagnosis.wording import listed
from gradhook.diagnosis.wrong_block import WrongBlock
from gradhook.diagnosis.zeros import Explained
from gradhook.report import Cause

__all__ = [
    "FORMS",
    "Layout",
    "form",
    "layouts",
    "misplaced",
    "misplaced_beside_penalty",
    "scaled",
    "with_penalty",
]

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


Move: TypeAlias = Callable[[Array], Array]

FORMS: Mapping[str, Move] = {
    "weights": lambda w: w,
    "constant": np.ones_like,
    "sign": np.sign,
    "reg_square": lambda w: w - w * w,
    "reg_l1_form": lambda w: w - np.sign(w),
}
"""What a penalty's residual may be a multiple of, of the block's values; the likeliest first."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A gradient whose numbers are right and stand in the wrong place.

    Args:
        kind: What ``Cause.kind`` says.
        words: What happened, after the gradient's name.
        move: Puts them right: ``n = move(a)``; ``None`` where another block holds them.
        other: Name of the block that holds them.
    """

    kind: str
    words: str
    move: Move | None = None
    other: str = ""


def layouts(block: WrongBlock, gradients: Blocks) -> Iterator[Layout]:
    """Every layout that fits the block's shape.

    Args:
        block: The block.
        gradients: The analytic gradients of all blocks.
    """
    shape = block.shape
    long = [axis for axis, length in enumerate(shape) if length > 1]
    for i in long:
        for j in long:
            if i < j and shape[i] == shape[j]:
                kind = "dW_transposed" if len(shape) == 2 else "conv_channel_swap"
                words = "transposed" if len(shape) == 2 else f"with axes {i} and {j} exchanged"
                yield Layout(kind, f"is the numerical gradient {words}", _swapped(i, j))
    for axis in long:
        for shift in (-1, 1):
            words = f"is the numerical gradient off by one along axis {axis}"
            yield Layout("rolled_rows", words, _rolled(axis, shift))
    for axis in long:
        words = f"is the numerical gradient in reverse order along axis {axis}"
        yield Layout("flipped", words, _flipped(axis))
    if len(long) > 2:
        last = ", ".join(map(str, long[-2:]))
        words = f"is the numerical gradient in reverse order along axes {last}"
        yield Layout("flipped", words, _flipped(*long[-2:]))
    if len(long) > 1:
        words = "is the numerical gradient in reverse order along every axis"
        yield Layout("flipped", words, _flipped(*long))
    for name, gradient in gradients.items():
        if name != block.name and gradient.shape == shape:
            words = f"is wrong, and the gradient returned for {name} is right for it"
            yield Layout("blocks_swapped", words, other=name)


def scaled(block: WrongBlock) -> Guess:
    """``n = c · a``."""
    return Guess(block, None, (block.gradient,))


def with_penalty(guess: Guess, *, sign: bool = False) -> Guess:
    """The same guess for the data term, with a penalty added rightly to it.

    Args:
        guess: A scale.
        sign: Whether the penalty is L1.
    """
    values = guess.block.values
    return Guess(guess.block, guess.base, (*guess.terms, np.sign(values) if sign else values))


def form(key: str, block: WrongBlock) -> Guess:
    """A penalty in the loss that the gradient lacks or has in another form.

    The coefficient is that by which the loss's penalty exceeds the gradient's.

    Args:
        key: One of ``FORMS``.
        block: The block.
    """
    return Guess(block, block.gradient, (FORMS[key](block.values),))


def _swapped(i: int, j: int) -> Move:
    return lambda array: np.swapaxes(array, i, j)


def _rolled(axis: int, shift: int) -> Move:
    return lambda array: np.roll(array, shift, axis=axis)


def _flipped(*axes: int) -> Move:
    return lambda array: np.flip(array, axis=axes)
