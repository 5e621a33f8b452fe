"""Which layer is at fault, read off which blocks are wrong.

A wrong derivative somewhere in a network spoils every gradient from there towards the input and
none above, so that, in forward order, the last wrong block and the first right one enclose the
fault.  One block wrong by itself points to the formula of that block.  This is reading, not
evidence: it names a place and the formulas that stand there, and no cause.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from gradhook.diagnosis.sentences import blocks_listed, say
from gradhook.diagnosis.wrong_block import is_vector

__all__ = ["boundary", "forward_order"]


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
        return say("nothing_right", wrong=blocks_listed(bad[::-1]))
    last = order.index(bad[-1])
    above = [name for name in order[last + 1 :] if name in right]
    below_right = [name for name in order[:last] if name in right]
    if len(bad) == 1:
        return _one(bad[0], order, right, shapes)
    if not below_right:
        return _entering(bad, above, shapes)
    if len(bad) == 2 and _are_one_layer(bad, order, shapes):
        return say("one_layer", wrong=blocks_listed(bad[::-1]))
    if all(not is_vector(shapes[name]) for name in bad) and all(
        name in wrong or is_vector(shapes[name]) for name in judged
    ):
        return say("weights_only", wrong=blocks_listed(bad[::-1]))
    right_ones = blocks_listed(below_right)
    return say("each_by_itself", wrong=blocks_listed(bad[::-1]), right=right_ones)


def _one(
    name: str, order: Sequence[str], right: Collection[str], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    if is_vector(shapes[name]):
        return say("one_bias", name=name)
    first = name == next((each for each in order if each in right or each == name), "")
    after = order[order.index(name) + 1 :]
    own_bias = after and after[0] in right and is_vector(shapes[after[0]])
    kept = f"; {after[0]}, which shares its incoming gradient, is right" if own_bias else ""
    below = "" if first else "; what it passes down is right"
    return say("one_weight", name=name, kept=kept, below=below)


def _entering(
    bad: Sequence[str], above: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    wrong = blocks_listed(bad[::-1])
    if not above:
        return say("at_the_loss", wrong=wrong)
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
    right = blocks_listed(above)
    return say("entering", wrong=wrong, right=right, first=first, last=last, formulas=formulas)


def _are_one_layer(
    pair: Sequence[str], order: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> bool:
    near = order.index(pair[1]) == order.index(pair[0]) + 1
    return near and not is_vector(shapes[pair[0]]) and is_vector(shapes[pair[1]])
