"""From a guess that holds to a ``Cause``: which bug it is, in one sentence a user can act on."""

from __future__ import annotations

from collections.abc import Sequence

from gradhook.report import Cause
from gradhook.verdict.constants import Circumstance, meanings, nice
from gradhook.verdict.wrong import gradient_name, is_vector

__all__ = ["listed", "name_penalty", "name_scale", "name_weights"]

FAMILY = {
    "sign_one": "G",
    "ce_sign": "G",
    "bias_mean": "B",
    "dropout_scale_missing": "W",
}
"""Families of what a factor may mean; all others are S."""


def listed(names: Sequence[str]) -> str:
    """Gradients of blocks in a sentence: ``"dW1, dW2"``."""
    return ", ".join(map(gradient_name, names))


def verb(names: Sequence[str], one: str, many: str) -> str:
    """The verb that agrees with the names."""
    return one if len(names) == 1 else many


def name_scale(
    names: Sequence[str],
    factor: float,
    error: float,
    seen: Circumstance,
    *,
    shapes: Sequence[tuple[int, ...]],
    everything: bool,
    besides: str = "",
) -> Cause:
    """Name the cause of ``a = factor · n``.

    Args:
        names: The blocks that share the factor.
        factor: The factor.
        error: Its error estimate.
        seen: Where a factor may come from.
        shapes: The blocks' shapes.
        everything: Whether no other block was judged right.
        besides: What was taken out first, in words.
    """
    found = meanings(factor, error, seen)
    what = f"{listed(names)} {verb(names, 'is', 'are')}"
    relation = f"{what} {factor:.6g}"
    biases = all(map(is_vector, shapes)) and not everything
    inverse = 1 / factor if factor else 0.0
    whole = round(inverse) if abs(inverse) < 1e9 else 0
    # Averaged over rows, or over rows and positions: one over a whole number.
    if biases and whole >= 2 and abs(inverse - whole) <= max(1e-6, 3 * error / factor**2):
        kind, shown = "bias_mean", f"1/{whole}"
        words = "averaged over the batch instead of summed"
    else:
        # A factor of the loss reaches every block.
        fitting = [m for m in found if m.alone or everything]
        if len(names) > 1 and not everything:  # as of queries and keys
            fitting.sort(key=lambda meaning: meaning.kind != "attention_scale_missing")
        kind = fitting[0].kind if fitting else "scale"
        shown = fitting[0].shown if fitting else nice(factor, error)
        words = " or ".join(dict.fromkeys(m.words for m in fitting)) or "a constant factor"
    if kind == "sign_one" and everything and len(names) > 1:
        kind = "ce_sign"
        words = "the sign is wrong everywhere (or the loss is a score to be maximised)"
    number = f"{relation} = {shown}" if shown != f"{factor:.6g}" else relation
    return Cause(
        FAMILY.get(kind, "S"),
        kind,
        tuple(names),
        f"{number} of the numerical gradient{besides}: {words}",
        evidence=f"factor {factor:.9g} ± {error:.1g}, the same along every direction",
        refuted_by="a factor that differs between directions or points",
    )


def name_weights(names: Sequence[str], excess: float, error: float, *, biases: bool) -> Cause:
    """Name the cause of ``a = n + excess · W`` where no switch tells the penalty's coefficient.

    Args:
        names: The blocks that share the coefficient.
        excess: The coefficient.
        error: Its error estimate.
        biases: Whether the blocks are biases.
    """
    size = f"{abs(excess):.3e} * {'b' if biases else 'W'}"
    fitted = f"(fit {error:.1e})"
    if excess < 0:
        kind = "reg_missing"
        sentence = (
            f"{listed(names)} {verb(names, 'lacks', 'lack')} {size} {fitted}: the L2 term is in "
            "the loss and not, or not wholly, in the gradient; where the optimiser applies it "
            "(decoupled weight decay), leave it out of the loss that is checked"
        )
    else:
        kind = "reg_on_bias" if biases else "reg_coefficient"
        sentence = (
            f"{listed(names)} {verb(names, 'holds', 'hold')} {size} {fitted} more than the loss: "
            "the L2 term is in the gradient and not, or not as large, in the loss; if it is "
            f"applied outside the loss on purpose (weight decay), pass penalty=L2({excess:.6g})"
        )
    return Cause(
        "R",
        kind,
        tuple(names),
        sentence,
        evidence=f"difference {excess:.6e} ± {error:.1g} times the block, along every direction",
        refuted_by="a difference that stays when the penalty is off",
    )


def name_penalty(names: Sequence[str], kind: str, words: str, evidence: str) -> Cause:
    """Name a wrong penalty of which the switch told both halves."""
    return Cause(
        "R",
        kind,
        tuple(names),
        f"{listed(names)}: {words}",
        evidence=evidence,
        refuted_by="a difference that stays when the penalty is off",
    )
