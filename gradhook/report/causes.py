"""The vocabulary of causes: which gradient bugs a report may name, and the record that names one.

A cause has a *family*, one letter for a class of bugs (a lost factor is ``S``, a bias summed over
the wrong axis ``B``), and a *kind*, the particular mistake.  Kinds are the names of small edits
that turn a right backward pass into a wrong one, which the catalogue of known bugs injects.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gradhook._types import nearest_name
from gradhook.report.blocks import Record, freeze

__all__ = ["CAUSE_FAMILIES", "CAUSE_KINDS", "Cause", "Confidence"]

Confidence: TypeAlias = Literal["exact", "family"]
"""How far the evidence for a cause reaches."""

SAME_PENALTY = "give the penalty the same form and strength in the loss and in the gradient"

CAUSE_FAMILIES: Mapping[str, str] = types.MappingProxyType(
    {
        "S": "scale",
        "R": "regulariser",
        "B": "bias and broadcast reduction",
        "D": "disconnected",
        "G": "sign",
        "W": "wiring, layout, mask",
        "A": "accumulation",
        "C": "order and state",
        "L": "local derivative",
        "J": "coupled Jacobian terms dropped",
        "M": "gradient of a different function",
        "U": "upstream gradient ignored",
        "K": "edge point, tie, branch",
        "P": "precision of the formula",
    }
)
"""The letter of each class of gradient bug, and what it stands for."""

REMEDIES: Mapping[str, str] = types.MappingProxyType(
    {
        # S
        "no_1_over_N": "divide the gradient by the number of rows, as the loss does",
        "extra_1_over_N": "take one division by the number of rows out of the gradient",
        "factor_two": "take the 2 out of the gradient, or put the 1/2 of the loss into it",
        "mse_no_two": "multiply the gradient by the 2 that the square leaves behind",
        "mse_mean_outputs": "sum over the outputs, or average, in the loss and in the gradient",
        "sample_weight_ignored": "multiply what each row adds to the gradient by its sample weight",
        "mask_denominator": "divide by the same number of rows in the loss and in the gradient",
        "scale": "look for a number, as of rows or units, that the loss or the gradient alone has",
        "attention_scale_missing": "write the square root into both passes",
        # R
        "reg_missing": "add it to the gradient; if the optimiser applies it (decoupled weight "
        "decay), take it out of the loss that is checked",
        "reg_half": SAME_PENALTY,
        "reg_double": SAME_PENALTY,
        "reg_over_N": SAME_PENALTY,
        "reg_sign": "add the penalty's derivative to the gradient instead of taking it away",
        "reg_square": "put the derivative in place of the penalty itself",
        "reg_unsquared": SAME_PENALTY,
        "reg_l1_form": "take L1 or L2 in the loss and in the gradient",
        "reg_on_bias": "penalise the block in the loss and in the gradient, or in neither",
        "reg_ones_on_bias": "take the constant out of the gradient",
        "reg_coefficient": SAME_PENALTY,
        # B
        "bias_mean": "sum over the batch; the gradient that comes in is divided already",
        "bias_first_sample": "sum over all rows of the batch",
        "bias_oversum": "sum over the axis of the batch alone",
        "bias_wrong_axis": "sum over the axis of the batch, every row once",
        # M
        "term_missing": "add the derivative of that term to the gradient",
        "clipped": "clip after the check, not in the function that is checked",
        # W
        "bn_swapped": "return each of the two for its own block",
        "dropout_mask_missing": "multiply by the forward pass's mask and scale on the way back",
        "dropout_scale_missing": "multiply by the same mask and scale in both passes",
        "mask_ignored": "multiply what each row adds to the gradient by its mask",
        "W_not_transposed": "compare the line that takes the gradient through that layer with the "
        "layer's forward pass",
        "dW_transposed": "transpose the gradient before it is returned",
        "rolled_rows": "look at the indices by which the gradient is filled",
        "last_row_missing": "look for what leaves it out: a bound of a loop, an index, a slice",
        "last_column_missing": "look for what leaves it out: a bound of a loop, an index, a slice",
        "conv_no_flip": "compare the line that takes the gradient through that layer with the "
        "layer's forward pass",
        "conv_bias_nospatial": "sum over the rows and over both axes of the picture",
        "conv_channel_swap": "put the axes of the gradient into the order of the block's",
        "blocks_swapped": "return each gradient for its own block",
        "flipped": "look at the order in which the gradient is filled",
        # A
        "loop_overwrite": "add to the gradient in the loop over the rows: += in place of =",
        "early_return": "return after the loop over the rows, not inside it",
        "skip_missing": "add up the gradients of all paths, or uses, where they join",
        "double_count": "add the gradient of each path, or use, once",
        "accumulated": "set the gradient to zero at the start of every call",
        "emb_fancy_iadd": "add with np.add.at(dE, index, g)",
        # C
        "stale_cache": "let every forward pass store anew what its backward pass reads",
        "update_state": "check a plain step, without momentum or Adam, or the gradient itself",
        "writes_parameters": "update the parameters outside of the function that is checked",
        "writes_batch": "copy the batch before you write to it",
        # D, G
        "disconnected": "write the gradient, and return the array that was written; what is frozen "
        "on purpose is left out of the parameters",
        "integer_buffer": "make the array one of floats, as np.zeros(shape) does",
        "sign_one": "change the sign of the gradient",
        "ce_sign": "change the sign of the gradients, or that of the loss",
        # U, K
        "upstream_ignored": "multiply by dy, the gradient that comes from above",
        "pool_all_ties": "give the gradient to one of several equal values",
    }
)
"""Every kind of cause that a report may name, and what to do about it."""

CAUSE_KINDS: tuple[str, ...] = tuple(REMEDIES)
"""Every ``Cause.kind`` that a report may carry: those that some code can confirm, and no others."""


@dataclass(frozen=True, slots=True, eq=False)
class Cause(Record):
    """Why a gradient is wrong, where that could be confirmed.

    Args:
        family: A letter of ``CAUSE_FAMILIES``.
        kind: One of ``CAUSE_KINDS``.
        blocks: The blocks that it explains.
        where: Part of a block, or place between blocks, or ``None``.
        sentence: What to tell the user.
        evidence: The numbers that support it, in words.
        refuted_by: What would show that it is something else, in words.
        confidence: ``"exact"``, or ``"family"`` where the evidence reaches to the class alone.

    Raises:
        ValueError: ``family`` or ``kind`` is not a known one.

    Example:
        >>> from gradhook.report import Cause
        >>> Cause("B", "bias_mean", blocks=["b1"], sentence="b1 is averaged over the batch").blocks
        ('b1',)
    """

    family: str
    kind: str
    blocks: tuple[str, ...]
    sentence: str
    where: str | None = None
    evidence: str = ""
    refuted_by: str = ""
    confidence: Confidence = "exact"

    @property
    def remedy(self) -> str:
        """What to do about it, in words."""
        return REMEDIES[self.kind]

    def __post_init__(self) -> None:
        freeze(self, "blocks")
        if self.family not in CAUSE_FAMILIES:
            known = ", ".join(CAUSE_FAMILIES)
            raise ValueError(f"unknown cause family {self.family!r}; known: {known}")
        if self.kind not in CAUSE_KINDS:
            hint = nearest_name(self.kind, list(CAUSE_KINDS))
            raise ValueError(f"unknown cause kind {self.kind!r}{hint}; see gradhook.CAUSE_KINDS")
