"""What a wrong gradient may be made of: every known array that the right one could equal.

The fewer coefficients, the earlier a guess is tried: a layout (transposed, rolled, flipped, another
block's gradient) has none, a scale or a multiple of the weights has one.  Where the data term is
laid out or scaled wrongly and a penalty is added to it rightly, the right gradient is ``R(a - c·W)
+ c·W``, which is ``R(a) + c·(W - R(W))``: the same guess with one more term.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.verdict.fits import Guess
from gradhook.verdict.wrong import WrongBlock

__all__ = ["FORMS", "Layout", "form", "layouts", "scaled", "with_penalty"]

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
