"""Every sentence that a report says about where and why, each with the evidence that it needs.

Hypotheses and places choose a sentence by its name and fill in what was found; the words stand here
and nowhere else, and nobody searches or replaces them afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gradhook.report.format import LONGEST_NAME, block_name, gradient_name

__all__ = [
    "AT_OTHER_WEIGHTS",
    "OUT",
    "SENTENCES",
    "Wording",
    "blocks_listed",
    "listed",
    "own_name",
    "rounded",
    "say",
    "times",
    "verb",
    "with_error",
]

LISTED_BLOCKS = 6
"""Blocks that are listed one by one."""

OUT = " (but for a multiple of the weights, as a penalty makes)"
"""Said of what was fitted together with the weights."""

AT_OTHER_WEIGHTS = "at other weights"
"""Where a second measurement was made."""

PLACES = {
    "zero_gradient": "where its gradient is 0",
    "nonzero_gradient": "where its gradient is not 0",
    "negative": "where it is negative",
    "positive": "where it is positive",
    "zero": "where it is 0",
    "nonzero": "where it is not 0",
    "above": "above its diagonal",
    "on_and_above": "on and above its diagonal",
    "under": "below its diagonal",
    "on_and_under": "on and below its diagonal",
    "diagonal": "on its diagonal",
    "off_diagonal": "off its diagonal",
}
"""Parts of a block that code treats by themselves."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A sentence and what must have been measured before it is said."""

    text: str  # the sentence, with names in braces for what was found
    needs: str  # the evidence that it needs
    refuted_by: str = ""  # what would show that it is something else; empty for places


def _penalty(text: str, needs: str) -> Wording:
    return Wording(text, needs, "a difference that stays when the penalty is off")


def _switched(text: str) -> Wording:
    return _penalty(text, "the difference vanishes when the penalty's switch is off")


SENTENCES: Mapping[str, Wording] = MappingProxyType(
    {
        # Causes: what the gradient is instead.
        "disconnected": Wording(
            "{d} is zero, and the loss depends on the block: it is never written, or what is "
            "written is thrown away",
            "zero to the bit at this point and at another, the slope is not",
            "an element that is not zero",
        ),
        "integer_buffer": Wording(
            "{d} is cut to whole numbers: written into an integer array",
            "an integer dtype, or whole numbers at two points, off by less than one each",
            "an element that is not whole",
        ),
        "factor": Wording(
            "{d} {is_} {times} the numerical gradient{besides}: {meaning}",
            "one factor along fresh directions or at another point; what it is said to count, "
            "changed: the factor follows",
            "a factor that differs between directions or points",
        ),
        "laid_out": Wording(
            "{d} is the numerical gradient {how}{besides}",
            "fresh directions meet the analytic gradient, put right",
            "a direction along which the rearranged gradient differs",
        ),
        "returned_for_another": Wording(
            "{d} is wrong, and the gradient returned for {other} is right for it",
            "fresh directions meet the other block's gradient",
            "a direction along which the other block's gradient differs",
        ),
        "exchanged": Wording(
            "{d} are exchanged: each is the numerical gradient of the other",
            "fresh directions in both blocks meet the exchanged gradients",
            "a direction along which the exchanged gradients differ",
        ),
        "penalty_lacking": _penalty(
            "{d} {lack} {size} * {basis}: the {norm} term is in the loss and not, or not wholly, "
            "in the gradient",
            "the residual is one multiple of the block along fresh directions and after the block "
            "moved",
        ),
        "penalty_held": _penalty(
            "{d} {hold} {size} * {basis} too much: the {norm} term is in the gradient and not, or "
            "not as large, in the loss; if it is applied outside the loss on purpose (weight "
            "decay), pass penalty={norm}({option})",
            "the residual is one multiple of the block along fresh directions and after the block "
            "moved",
        ),
        "penalty_passed": _penalty(
            "{d} {hold} {held} * {basis}, and the penalty passed adds {given} * {basis} to the "
            "loss: the number passed is not the gradient's",
            "the residual is one multiple of the block along fresh directions and after the block "
            "moved; a penalty of that form was passed",
        ),
        "penalty_constant": _penalty(
            "{d} {hold} {size} too much in every element: a number is added that the loss has no "
            "term for, as a penalty's coefficient where its derivative belongs",
            "the residual is constant along fresh directions and after the block moved",
        ),
        "constant_lacking": _penalty(
            "{d} {lack} {size} in every element: a term of the loss that is linear in the block is "
            "not in the gradient",
            "the residual is constant along fresh directions and after the block moved",
        ),
        "penalty_square": _penalty(
            "{d} {hold} {size} * {w}**2 where the loss needs {size} * {w}: the penalty itself in "
            "place of its derivative",
            "the residual is one multiple of W - W**2, also after the block moved",
        ),
        "penalty_l1": _penalty(
            "{d} {hold} {size} * sign({w}) where the loss needs {size} * {w}: the gradient of an "
            "L1 term, the loss of an L2 term",
            "the residual is one multiple of W - sign(W), also after the block moved",
        ),
        "switch_missing": _switched(
            "{d} {lack} {size} * {basis}: the penalty is in the loss and not in the gradient"
        ),
        "switch_not_in_loss": _switched(
            "{d} {have} a penalty's gradient, and the loss no penalty on it"
        ),
        "switch_ones": _penalty(
            "{d} {have} {size} added to every element, by a penalty that the loss does not have "
            "on it",
            "the difference vanishes when the penalty's switch is off, and is constant",
        ),
        "switch_coefficient": _switched(
            "{d} {have} {share}: {size} * {basis} where the loss has {wanted}"
        ),
        "switch_form": _switched("{d} {have} a penalty's gradient that is a multiple of {form}"),
        "switch_other_form": _switched(
            "{d} {have} a penalty's gradient of another form than the loss's penalty"
        ),
        "switch_several": _switched("{d} have a penalty that differs from that of the loss"),
        "zero_slices": Wording(
            "{part} wrong, and nothing else: {what} zero",
            "these slices are wrong one by one, all others right along fresh directions",
            "a wrong element elsewhere",
        ),
        "clipped": Wording(
            "{d} cut off at ±{top}: {many} of {size} elements stand at that size, and the others "
            "are right",
            "the same size to the bit at another point; elements of another size are right",
            "a wrong element of another size",
        ),
        "scaled_to_norm": Wording(
            "{d} right but for the norm, {which}scaled to {limit}, as {how} does: scale after the "
            "check, not in the function that it checks",
            "a multiple along fresh directions; at another point the same norm, or right below it",
            "a larger norm at another point",
        ),
        "dropout": Wording(
            "{d} wrong with dropout on and right with it off: its backward pass lacks the mask, "
            "its scale, or draws another mask",
            "the difference vanishes when dropout is turned off",
            "a difference that stays with dropout off",
        ),
        "sample_weights": Wording(
            "{d} wrong unless {what} (item {position} of the batch) let every row count alike: "
            "the loss uses them and the gradient does not",
            "a row whose entry is off has no say in the loss, and has one as given; the difference "
            "vanishes when all count alike",
            "a difference that stays then",
        ),
        "equal_inputs": Wording(
            "{d} wrong where inputs are equal (padding, black pixels), and right once they are "
            "moved apart: every one of several largest values gets the gradient, or none",
            "the difference vanishes for inputs that do not tie, and stays where they are moved "
            "and tie",
            "a difference that stays",
        ),
        "one_row": Wording(
            "{d} is that of the {which} row alone: {how}",
            "equal to that row's gradient; follows that row's data and no other's, and the loss "
            "depends on several rows",
            "a batch of which the other rows change it",
        ),
        "bias_sum": Wording(
            "{d} wrong, {weight} right: {how}",
            "on one row the block acts as the bias of that weight, whose gradient is right",
            "a wrong weight gradient in the same layer",
        ),
        "repeated_rows": Wording(
            "{d} wrong only in rows that the batch uses more than once, whose uses are not summed: "
            "`dE[index] += g`, for one, adds once per index",
            "rows used once or never are right along fresh directions, those used more often wrong",
            "a wrong row that is used once",
        ),
        "symmetric": Wording(
            "{d} wrong, and right once {above} is made symmetric: {how}",
            "the difference vanishes for a symmetric block above",
            "a difference that stays",
        ),
        "path_around": Wording(
            "{d} wrong where a path around {above} joins: {how}",
            "with the block above at zero the gradient is this multiple of the numerical one",
            "another factor there",
        ),
        # Places: where a fault enters that no cause explains.
        "blocks": Wording("{wrong} wrong", "a mismatch that stands out of its error"),
        "blocks_beside": Wording(
            "{wrong} wrong; {right} right",
            "a mismatch that stands out of its error, and blocks resolved as right",
        ),
        "nothing_right": Wording(
            "{wrong} wrong, and nothing is right: the fault is at the loss (its derivative, 1/N, "
            "masks, weights), in the last layer, or in what is done to all gradients at the end",
            "a measured chain of layers, every block of which is wrong",
        ),
        "entering": Wording(
            "{wrong} wrong; {right} right: the fault enters between {first} and {last} "
            "({formulas})",
            "a measured chain of layers, all wrong below one place and all right above",
        ),
        "below": Wording(
            "{wrong} wrong; {right} right: the fault enters between {first} and {last}, or in the "
            "formula of {last} itself",
            "a measured chain of layers, and one block at the lowest place that is wrong",
        ),
        "one_layer": Wording(
            "{wrong} wrong; what lies below is right: not what the layer passes down, but what "
            "both of these are computed from",
            "a measured chain of layers, of which one place is wrong and all below right",
        ),
        "weights_only": Wording(
            "{wrong} wrong, all weights and no bias: the penalty, or the factor that multiplies "
            "the layers' inputs",
            "a measured chain of layers, beside every wrong weight a right block",
        ),
        "one_bias": Wording(
            "{wrong} wrong and nothing else; {beside}, at the same place, right: what makes the "
            "gradient of {wrong} out of the one that both share",
            "a measured chain of layers, and one vector wrong beside a right weight",
        ),
        "one_weight": Wording(
            "{wrong} wrong and nothing else; {beside}, which shares its incoming gradient, is "
            "right: the input that it is multiplied by, the layout of its gradient, or what "
            "is added or done to it{below}",
            "a measured chain of layers, and one weight wrong beside its right bias",
        ),
        "remains": Wording("something else remains: {what}", "a mismatch that no cause explains"),
        "part_wrong": Wording("{part} wrong", "the part was located"),
        # Hints, which need no cause.
        "read_as_symmetric": Wording(
            "{block} is symmetric, and right where it stays so: the code reads it as symmetric, "
            "and its gradient is wrong beside",
            "symmetric to the bit; right along symmetric directions, wrong along others",
        ),
        "another_gradient": Wording(
            "{d} {what} {other}: what is missing or too much is that gradient",
            "fresh directions meet the gradient with the other one added or taken away",
        ),
        # Parts of a block.
        "all_of": Wording(
            "all of {block}", "natural splits tried, elements drawn all over it wrong"
        ),
        "scattered": Wording(
            "scattered over {block}: {wrong} of {drawn} elements drawn are wrong",
            "natural splits tried, of the elements drawn some are wrong",
        ),
        **{
            f"where_{place}": Wording(
                f"{{block}} {words}: {{count}} of {{size}} elements",
                "everything outside right along two fresh directions, the part itself wrong",
            )
            for place, words in PLACES.items()
        },
    }
)
"""By name: the sentence, the evidence that it needs, and what would refute it."""


def say(sentence: str, /, **found: object) -> str:
    """A sentence with what was found filled in."""
    return SENTENCES[sentence].text.format(**found)


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
    """A number to the digits that its error leaves, and to no more than so many."""
    if 0 < error < abs(value):
        value = float(round(value, -math.floor(math.log10(float(f"{error:.1g}")))))
    return f"{value:.{most}g}"


def with_error(value: float, error: float) -> str:
    """``"2 ± 1e-07"``: a number with its error."""
    return f"{rounded(value, error, 9)} ± {error:.1g}"


def verb(names: Sequence[str], one: str, many: str) -> str:
    """The verb that agrees with the names."""
    return one if len(names) == 1 else many


def times(factor: float, error: float, shown: str) -> str:
    """``"7 times"``, ``"0.142857 = 1/7 of"``, ``"minus"``."""
    if shown == "-1":
        return "minus"
    number = rounded(factor, error)
    number = shown if shown == number else f"{number} = {shown}"
    return f"{number} of" if abs(factor) < 1 else f"{number} times"
