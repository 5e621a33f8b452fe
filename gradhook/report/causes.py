"""The vocabulary of causes: which gradient bugs a report may name, and the record that names one.

A cause has a *family*, one letter for a class of bugs (a lost factor is ``S``, a bias summed over
the wrong axis ``B``), and a *kind*, the particular mistake.  Kinds are the names of small edits
that turn a right backward pass into a wrong one, so that what a report says and what the
catalogue of known bugs injects can be compared word for word.  A bug that no measurement can name
has no kind: its blocks and its place are said, and no cause.

Example:
    >>> from gradhook.report import CAUSE_FAMILIES, CAUSE_KINDS
    >>> CAUSE_FAMILIES["R"], "reg_missing" in CAUSE_KINDS
    ('regulariser', True)
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from gradhook._types import nearest_name
from gradhook.report.blocks import Record, freeze

__all__ = ["CAUSE_FAMILIES", "CAUSE_KINDS", "Cause", "Confidence"]

Confidence: TypeAlias = Literal["exact", "family"]
"""How far the evidence for a cause reaches."""

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

CAUSE_KINDS: tuple[str, ...] = (
    # S
    "no_1_over_N", "extra_1_over_N", "factor_two", "mse_no_two", "mse_mean_outputs",
    "sample_weight_ignored", "mask_denominator", "scale", "attention_scale_missing",
    # R
    "reg_missing", "reg_half", "reg_double", "reg_over_N", "reg_sign", "reg_square",
    "reg_unsquared", "reg_l1_form", "reg_on_bias", "reg_ones_on_bias", "reg_coefficient",
    # B
    "bias_mean", "bias_first_sample", "bias_oversum", "bias_wrong_axis",
    # M
    "clipped",
    # W
    "bn_swapped", "dropout_mask_missing", "dropout_scale_missing", "mask_ignored",
    "W_not_transposed", "dW_transposed", "rolled_rows", "last_row_missing", "last_column_missing",
    "conv_no_flip", "conv_bias_nospatial", "conv_channel_swap", "blocks_swapped", "flipped",
    # A
    "loop_overwrite", "early_return", "skip_missing", "double_count", "accumulated",
    "emb_fancy_iadd",
    # C
    "stale_cache", "writes_parameters", "writes_batch",
    # D, G
    "disconnected", "integer_buffer", "sign_one", "ce_sign",
    # U, K
    "upstream_ignored", "pool_all_ties",
)  # fmt: skip
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
        ValueError: ``family``, ``kind`` or ``confidence`` is not a known one.

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

    def __post_init__(self) -> None:
        freeze(self, "blocks")
        if self.family not in CAUSE_FAMILIES:
            known = ", ".join(CAUSE_FAMILIES)
            raise ValueError(f"unknown cause family {self.family!r}; known: {known}")
        if self.kind not in CAUSE_KINDS:
            hint = nearest_name(self.kind, list(CAUSE_KINDS))
            raise ValueError(f"unknown cause kind {self.kind!r}{hint}; see gradhook.CAUSE_KINDS")
        if self.confidence not in get_args(Confidence):
            known = ", ".join(get_args(Confidence))
            raise ValueError(f"unknown confidence {self.confidence!r}; known: {known}")
