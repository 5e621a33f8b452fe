"""From a guess that holds to a ``Cause``: which bug it is, in one sentence a user can act on."""

from __future__ import annotations

from collections.abc import Sequence

from gradhook.diagnosis.constants import Circumstance, meanings, nice
from gradhook.diagnosis.wrong_block import gradient_name, is_vector
from gradhook.report import Cause

__all__ = ["listed", "name_form", "name_penalty", "name_scale", "verb"]

FAMILY = {
    "sign_one": "G",
    "ce_sign": "G",
    "bias_mean": "B",
    "dropout_scale_missing": "W",
}
"""Families of what a factor may mean; all others are S."""


ATTENTION = "attention_scale_missing"


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
        # Of queries and keys, which are two and not all there is.
        pair = len(names) > 1 and not everything
        fitting = [m for m in fitting if pair or m.kind != ATTENTION]
        fitting.sort(key=lambda meaning: meaning.kind != ATTENTION)
        kind = fitting[0].kind if fitting else "scale"
        shown = fitting[0].shown if fitting else nice(factor, error)
        words = " or ".join(dict.fromkeys(m.words for m in fitting)) or "a constant factor"
    if kind == "sign_one" and everything and len(names) > 1:
        kind = "ce_sign"
        words = "the sign is wrong everywhere (or the loss is a score to be maximised)"
    return Cause(
        FAMILY.get(kind, "S"),
        kind,
        tuple(names),
        f"{listed(names)} {verb(names, 'is', 'are')} {_times(factor, shown)} the numerical "
        f"gradient{besides}: {words}",
        evidence=f"factor {factor:.9g} ± {error:.1g}, the same along every direction",
        refuted_by="a factor that differs between directions or points",
    )


def _times(factor: float, shown: str) -> str:
    """``"7 times"``, ``"0.142857 = 1/7 of"``, ``"minus"``."""
    if shown == "-1":
        return "minus"
    number = f"{factor:.6g}"
    number = shown if shown == number else f"{number} = {shown}"
    return f"{number} of" if abs(factor) < 1 else f"{number} times"


def name_form(
    names: Sequence[str],
    key: str,
    missing: float,
    error: float,
    *,
    biases: bool,
    all_blocks: bool,
) -> Cause:
    """Name the cause of a penalty that differs between loss and gradient.

    No switch tells the penalty's coefficient, so both readings are given.

    Args:
        names: The blocks that share the coefficient.
        key: What the residual is a multiple of: ``"weights"``, ``"sign"``, ``"constant"``, or one
            of the kinds ``"reg_square"`` and ``"reg_l1_form"``.
        missing: By how much the loss's penalty exceeds the gradient's.
        error: Its error estimate.
        biases: Whether the blocks are biases.
        all_blocks: Whether they are all there are.
    """
    what, w = listed(names), "b" if biases else "W"
    size, fitted = f"{abs(missing):.3e}", f"(fit {error:.1e})"
    lack, hold = verb(names, "lacks", "lack"), verb(names, "holds", "hold")
    patterns = "" if all_blocks else "".join(f", {name!r}" for name in names)
    if key in ("weights", "sign"):
        norm, basis = ("L2", w) if key == "weights" else ("L1", f"sign({w})")
        if missing > 0:
            kind = "reg_missing"
            sentence = (
                f"{what} {lack} {size} * {basis} {fitted}: the {norm} term is in the loss and not, "
                "or not wholly, in the gradient; where the optimiser applies it (decoupled weight "
                "decay), leave it out of the loss that is checked"
            )
        else:
            kind = "reg_on_bias" if biases and key == "weights" else "reg_coefficient"
            sentence = (
                f"{what} {hold} {size} * {basis} {fitted} more than the loss: the {norm} term is "
                "in the gradient and not, or not as large, in the loss; if it is applied outside "
                f"the loss on purpose (weight decay), pass penalty={norm}({-missing:.6g}{patterns})"
            )
    elif key == "constant":
        kind = "reg_ones_on_bias"
        sentence = (
            f"{what} {verb(names, 'differs', 'differ')} by the constant {-missing:.3e} in every "
            "element: a penalty's coefficient added as a number, to blocks that the loss does not "
            "penalise"
        )
    elif key == "reg_square":
        kind = key
        sentence = (
            f"{what} {hold} {size} * {w}**2 where the loss needs {size} * {w}: the penalty itself "
            "in place of its derivative"
        )
    else:
        kind = "reg_l1_form"
        sentence = (
            f"{what} {hold} {size} * sign({w}) where the loss needs {size} * {w}: the gradient of "
            "an L1 term, the loss of an L2 term"
        )
    return Cause(
        "R",
        kind,
        tuple(names),
        sentence,
        evidence=f"coefficient {missing:.6e} ± {error:.1g}, the same along every direction",
        refuted_by="a difference that stays when the penalty is off",
    )


def name_penalty(names: Sequence[str], kind: str, words: str, evidence: str) -> Cause:
    """Name a wrong penalty of which the switch told both halves."""
    return Cause(
        "R",
        kind,
        tuple(names),
        f"{listed(names)} {words}",
        evidence=evidence,
        refuted_by="a difference that stays when the penalty is off",
    )
