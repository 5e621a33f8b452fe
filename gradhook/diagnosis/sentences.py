"""Every sentence that a report says about where and why.

Hypotheses and places choose a sentence by its name and fill in what was found; the words stand here
and nowhere else, and nobody searches or replaces them afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gradhook.report.format import LONGEST_NAME, block_name, gradient_name, told_apart

LISTED_BLOCKS = 6
"""Blocks that are listed one by one."""

OUT = " (but for a multiple of the weights, as a penalty makes)"
"""Said of what was fitted together with the weights."""

AT_OTHER_WEIGHTS = "at other weights"
"""Where a second measurement was made."""

VERBS = {
    "is_": ("is", "are"),
    "have": ("has", "have"),
    "lack": ("lacks", "lack"),
    "hold": ("holds", "hold"),
    "s": ("", "s"),
}
"""Of one gradient, and of several."""

PENALTY_OFF = "a difference that stays when the penalty is off"

SENTENCES: Mapping[str, str] = {
    # Causes: what the gradient is instead.
    "disconnected": "{d} {is_} zero, and the loss depends on the block{s}: never written, what is "
    "written is thrown away, or what it is made of is zero",
    "integer_buffer": "{d} {is_} cut to whole numbers: written into an integer array",
    "factor": "{d} {is_} {times} the numerical gradient{besides}: {meaning}",
    "laid_out": "{d} is the numerical gradient {how}{besides}",
    "returned_for_another": "{d} is wrong, and the gradient returned for {other} is right for it",
    "exchanged": "{d} are exchanged: each is the numerical gradient of the other",
    "penalty_lacking": "{d} {lack} {size} * {basis}: the {norm} term is in the loss and not, or "
    "not wholly, in the gradient",
    "penalty_held": "{d} {hold} {size} * {basis} too much: the {norm} term is in the gradient and "
    "not, or not as large, in the loss; if it is applied outside the loss on purpose (weight "
    "decay), pass penalty={norm}({option})",
    "penalty_constant": "{d} {hold} {size} too much in every element: a number is added that the "
    "loss has no term for, as a penalty's coefficient where its derivative belongs, or a falling "
    "term of the loss that is linear in the block is not in the gradient",
    "constant_lacking": "{d} {lack} {size} in every element: a term of the loss that is linear in "
    "the block is not in the gradient, or a number is taken off",
    "penalty_square": "{d} {hold} {size} * {w}**2 where the loss needs {size} * {w}: the penalty "
    "itself in place of its derivative",
    "penalty_l1": "{d} {hold} {size} * sign({w}) where the loss needs {size} * {w}: the gradient "
    "of an L1 term, the loss of an L2 term",
    "switch_missing": "{d} {lack} {size} * {basis}: the penalty is in the loss and not in the "
    "gradient",
    "switch_lacking": "{d} {lack} the penalty's gradient: the penalty is in the loss and not in "
    "the gradient",
    "switch_not_in_loss": "{d} {have} a penalty's gradient, and the loss no penalty on it",
    "switch_ones": "{d} {have} {size} added to every element, by a penalty that the loss does not "
    "have on it",
    "switch_coefficient": "{d} {have} {share}: {size} * {basis} where the loss has {wanted}",
    "switch_share": "{d} {have} {share}",
    "switch_form": "{d} {have} a penalty's gradient that is a multiple of {form}",
    "switch_other": "{d} {have} a penalty's gradient that differs from that of the loss's penalty",
    "zero_slices": "{part} wrong, and nothing else of the block: {what}",
    "clipped": "{d} cut off at ±{top}: {many} of {size} elements stand at that size, and the "
    "others are right",
    "unmoved": "{d} {is_} the same, to the bit, at other weights and on other rows: kept from an "
    "earlier call, or made before",
    "dropout": "{d} wrong with dropout on and right with it off: its backward pass lacks the mask, "
    "its scale, or draws another mask",
    "sample_weights": "{d} wrong unless {what} (item {position} of the batch) let every row count "
    "alike: the loss uses them and the gradient does not",
    "equal_inputs": "{d} wrong where inputs are equal (padding, black pixels), and right once they "
    "are moved apart: every one of several largest values gets the gradient, or none",
    "one_row": "{d} is that of the {which} row alone: {how}",
    "bias_sum": "{d} wrong, {weight} right: {how}",
    "repeated_rows": "{d} wrong only in rows that the batch uses more than once, whose uses are "
    "not summed: `dE[index] += g`, for one, adds once per index",
    "symmetric": "{d} wrong, and right once {above} is made symmetric: {how}",
    "path_around": "{d} wrong where a path around {above} joins: {how}",
    # Places: where a fault enters that no cause explains.
    "blocks": "{wrong} wrong",
    "blocks_beside": "{wrong} wrong; {right} right",
    "nothing_right": "{wrong} wrong, and nothing is right: the fault is at the loss (its "
    "derivative, 1/N, masks, weights), in the last layer, or in what is done to all gradients at "
    "the end",
    "entering": "{wrong} wrong; {right} right: the fault enters between {first} and {last} "
    "({formulas})",
    "below": "{wrong} wrong; {right} right: the fault enters between {first} and {last}, or in the "
    "formula of {last} itself",
    "one_bias": "{wrong} wrong and nothing else; {beside}, at the same place, right: what makes "
    "the gradient of {wrong} out of the one that both share",
    "one_weight": "{wrong} wrong and nothing else; {beside}, which shares its incoming gradient, "
    "is right: the input that it is multiplied by, the layout of its gradient, or what is added or "
    "done to it{below}",
    "remains": "also wrong, by the same mistake or another: {what}",
    "part_wrong": "{part} wrong",
    # Parts of a block.
    "all_of": "all of {block}",
    "scattered": "scattered over {block}: {wrong} of {drawn} elements drawn are wrong",
    **{
        f"where_{place}": f"{{block}} {words}: {{count}} of {{size}} elements"
        for place, words in {
            "zero_gradient": "where its gradient is 0",
            "nonzero_gradient": "where its gradient is not 0",
            "negative": "where it is negative",
            "positive": "where it is positive",
            "above": "above its diagonal",
            "on_and_above": "on and above its diagonal",
            "under": "below its diagonal",
            "on_and_under": "on and below its diagonal",
            "diagonal": "on its diagonal",
            "off_diagonal": "off its diagonal",
        }.items()
    },
}
"""By name: the sentence, with names in braces for what was found."""

REFUTED_BY: Mapping[str, str] = {
    "disconnected": "an element that is not zero",
    "integer_buffer": "an element that is not whole",
    "factor": "a factor that differs between directions or points",
    "laid_out": "a direction along which the rearranged gradient differs",
    "returned_for_another": "a direction along which the other block's gradient differs",
    "exchanged": "a direction along which the exchanged gradients differ",
    **{name: PENALTY_OFF for name in SENTENCES if name.startswith(("penalty_", "switch_"))},
    "constant_lacking": PENALTY_OFF,
    "zero_slices": "a wrong element elsewhere",
    "clipped": "a wrong element of another size",
    "unmoved": "a gradient that changes with the weights or the rows",
    "dropout": "a difference that stays with dropout off",
    "sample_weights": "a difference that stays then",
    "equal_inputs": "a difference that stays",
    "one_row": "a batch of which the other rows change it",
    "bias_sum": "a wrong weight gradient in the same layer",
    "repeated_rows": "a wrong row that is used once",
    "symmetric": "a difference that stays",
    "path_around": "another factor there",
}
"""What would show that a cause is something else, by its sentence."""


def say(sentence: str, /, **found: object) -> str:
    """A sentence with what was found filled in."""
    return SENTENCES[sentence].format(**found)


def say_of(blocks: Sequence[str], sentence: str, /, **found: object) -> str:
    """A sentence about the gradients of some blocks, with the verbs that agree with these."""
    verbs = {word: forms[len(blocks) > 1] for word, forms in VERBS.items()}
    return say(sentence, d=listed(blocks), **verbs, **found)


def listed(names: Sequence[str]) -> str:
    """Gradients of blocks in a sentence: ``"dW1, dW2"``."""
    return ", ".join(map(gradient_name, names))


def blocks_listed(names: Sequence[str]) -> str:
    """Blocks in a sentence, the last of many counted: ``"b2, W2, b1 and 4 more"``."""
    shown = [block_name(name, LONGEST_NAME) for name in names]
    if len(names) <= LISTED_BLOCKS:
        return ", ".join(shown)
    return ", ".join(shown[: LISTED_BLOCKS - 1]) + f" and {len(names) - LISTED_BLOCKS + 1} more"


def own_name(names: Sequence[str], several: str) -> str:
    """What a block is called in a formula, and what several are."""
    return block_name(names[0], LONGEST_NAME) if len(names) == 1 else several


def rounded(value: float, error: float, most: int = 6) -> str:
    """A number to the digits that its error leaves, and to as few as tell it from one."""
    if 0 < error < abs(value):
        value = float(round(value, -math.floor(math.log10(float(f"{error:.1g}")))))
    written = f"{value:.{most}g}"
    return told_apart(value, 1.0)[0] if written == "1" != f"{value:.17g}" else written


def with_error(value: float, error: float) -> str:
    """``"2 ± 1e-07"``: a number with its error."""
    return f"{rounded(value, error, 9)} ± {error:.1g}"


def times(factor: float, error: float, shown: str) -> str:
    """``"7 times"``, ``"0.142857 = 1/7 of"``, ``"minus"``."""
    if shown == "-1":
        return "minus"
    number = rounded(factor, error)
    number = shown if shown == number else f"{number} = {shown}"
    return f"{number} of" if abs(factor) < 1 else f"{number} times"
