"""Which layer is at fault, read off which blocks are wrong.

A wrong derivative somewhere in a network spoils every gradient from there towards the input and
none above, so that, in forward order, the last wrong block and the first right one enclose the
fault.  One block wrong by itself points to the formula of that block.  This is reading, not
evidence: it names a place and the formulas that stand there, and no cause.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from gradhook.diagnosis.wrong_block import is_vector
from gradhook.report.format import LONGEST, block_name

__all__ = ["boundary", "forward_order"]

MANY = 6
"""Blocks that are listed one by one."""


def forward_order(names: Sequence[str], given: Sequence[str] | None) -> list[str]:
    """Blocks in the order of the forward pass.

    The user's order where one is given; else the order of the names as they stand, sorted by the
    layer's number if every name ends in one.
    """
    if given:
        return [*given, *(name for name in names if name not in given)]
    numbers = [re.search(r"(\d+)\D*$", name) for name in names]
    if any(number is None for number in numbers):
        return list(names)
    layer = {n: int(found[1]) for n, found in zip(names, numbers, strict=True) if found}
    return sorted(names, key=lambda name: layer[name])


def boundary(
    order: Sequence[str],
    wrong: Collection[str],
    right: Collection[str],
    shapes: Mapping[str, tuple[int, ...]],
) -> str:
    """Say where the fault enters, in words.

    Args:
        order: All blocks in forward order.
        wrong: Those that are wrong, and have no cause.
        right: Those that are right.
        shapes: Every block's shape.
    """
    bad = [name for name in order if name in wrong]
    if not bad:
        return ""
    judged = [name for name in order if name in wrong or name in right]
    if not any(name in right for name in judged):
        return (
            f"{_listed(bad[::-1])} wrong, and nothing is right: the fault is at the loss (its "
            "derivative, 1/N, masks, weights) or in the last layer"
        )
    last = order.index(bad[-1])
    above = [name for name in order[last + 1 :] if name in right]
    below_right = [name for name in order[:last] if name in right]
    if len(bad) == 1:
        return _one(bad[0], order, right, shapes)
    if not below_right:
        return _entering(bad, above, shapes)
    if len(bad) == 2 and _are_one_layer(bad, order, shapes):
        return (
            f"{_listed(bad[::-1])} wrong; what lies below is right: both take the gradient of the "
            "layer's output without the derivative of its activation, or a wrong input"
        )
    if all(not is_vector(shapes[name]) for name in bad) and all(
        name in wrong or is_vector(shapes[name]) for name in judged
    ):
        return (
            f"{_listed(bad[::-1])} wrong, all weights and no bias: the penalty, or the factor that "
            "multiplies the layers' inputs"
        )
    return f"{_listed(bad[::-1])} wrong; {_listed(below_right)} below them right: each by itself"


def _one(
    name: str, order: Sequence[str], right: Collection[str], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    if is_vector(shapes[name]):
        return f"{name} wrong and nothing else: the sum over the batch that gives its gradient"
    first = name == next((each for each in order if each in right or each == name), "")
    after = order[order.index(name) + 1 :]
    own_bias = after and after[0] in right and is_vector(shapes[after[0]])
    kept = f"; {after[0]}, which shares its incoming gradient, is right" if own_bias else ""
    return (
        f"{name} wrong and nothing else{kept}: the input that it is multiplied by, the layout of "
        "its gradient, or a penalty on it" + ("" if first else "; what it passes down is right")
    )


def _entering(
    bad: Sequence[str], above: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    listed = f"{_listed(bad[::-1])} wrong"
    if not above:
        return f"{listed}: the fault is at the loss or in the last layer"
    first, last = above[0], bad[-1]
    if is_vector(shapes[first]) and is_vector(shapes[last]):
        formulas = (
            f"the gradient that the layer of {first} passes down: for a normalisation, the paths "
            "through mean and variance, and its gain"
        )
    elif is_vector(shapes[first]):
        formulas = f"what {last} is multiplied by, or what the layer of {first} passes down"
    else:
        turned = f", or {first} transposed" if len(shapes[first]) == 2 else ""
        formulas = f"derivative of that activation{turned}, or a skip that joins there"
    return (
        f"{listed}; {_listed(above)} right: the fault enters between {first} and {last} "
        f"({formulas})"
    )


def _are_one_layer(
    pair: Sequence[str], order: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> bool:
    near = order.index(pair[1]) == order.index(pair[0]) + 1
    return near and not is_vector(shapes[pair[0]]) and is_vector(shapes[pair[1]])


def _listed(names: Sequence[str]) -> str:
    shown = [block_name(name, LONGEST) for name in names]
    if len(names) <= MANY:
        return ", ".join(shown)
    return ", ".join(shown[: MANY - 1]) + f" and {len(names) - MANY + 1} more"
