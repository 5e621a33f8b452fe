"""What is wrong with a penalty, told by turning it off.

With the penalty on and off the analytic gradients differ by the penalty's gradient as the code has
it.  The one that the loss has is that less the residual, if the residual vanishes with the penalty.
Both are then compared, whatever the convention for the coefficient.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.case import Scene
from gradhook.diagnosis.experiment import revisit, vanishes, without
from gradhook.diagnosis.wording import name_penalty
from gradhook.report import Cause

__all__ = ["penalty_of", "told_by_penalty"]


def told_by_penalty(scene: Scene, cause: Cause) -> Cause | None:
    """What the penalty's switch says of a cause of family R, whose residual is known.

    Args:
        scene: The setting.
        cause: Says that the residual is a multiple of the block, or of its sign.

    Returns:
        The cause as the switch tells it, the cause given where there is no switch or it has no part
        in it, ``None`` where that refutes it.
    """
    names, refuted = list(cause.blocks), False
    for switches in without(scene, "penalty"):
        changed = revisit(scene, names, switches=switches)
        if changed is not None and vanishes(scene, changed, names, additive=True):
            return penalty_of(scene, names, changed.gradients)
        refuted = refuted or changed is not None
    # A multiple of the weights is the same by whatever way it came in.
    return None if refuted and cause.kind not in ("reg_missing", "reg_coefficient") else cause


def penalty_of(scene: Scene, names: Sequence[str], off: Blocks) -> Cause:
    """Name what is wrong with a penalty.

    Args:
        scene: The setting, with the penalty on.
        names: The blocks whose fault vanishes without it.
        off: The analytic gradients without it.
    """
    many = len(names) > 1
    said = [_told(scene, n, scene.gradients[n] - off[n], many=many) for n in names]
    kinds = {kind for kind, _ in said}
    kind, words = said[0]
    if len(kinds) > 1:
        kind, words = "reg_coefficient", "have a penalty that differs from that of the loss"
    return name_penalty(names, kind, words, "the difference vanishes when the penalty is off")


def _told(scene: Scene, name: str, analytic: Array, *, many: bool) -> tuple[str, str]:
    """Kind, and words that follow the gradient's name, of one block."""
    block = scene.blocks[name]
    w = block.values
    has, lacks = ("have", "lack") if many else ("has", "lacks")
    wanted = block.along(analytic) - block.residuals
    size = float(np.linalg.norm(w)) or 1.0
    basis, shape = min(
        ((w, "W"), (np.sign(w), "sign(W)")), key=lambda item: _left(wanted, block.along(item[0]))
    )
    along = block.along(basis)
    noise = 3 * float(np.linalg.norm(block.errors))
    if float(np.linalg.norm(wanted)) <= max(noise, 1e-6 * float(np.linalg.norm(block.residuals))):
        if np.ptp(analytic) <= 1e-9 * np.max(np.abs(analytic)) and analytic.size > 1:
            return "reg_ones_on_bias", (
                f"{has} {float(analytic.flat[0]):.3e} added to every element, by a penalty that "
                "the loss does not have on it"
            )
        kind = "reg_on_bias" if block.is_vector else "reg_coefficient"
        return kind, f"{has} a penalty's gradient, and the loss no penalty on it"
    true = float(along @ wanted / (along @ along)) if np.any(along) else 0.0
    if not np.any(analytic):
        error = float(np.linalg.norm(block.errors)) / (float(np.linalg.norm(along)) or 1.0)
        return "reg_missing", (
            f"{lacks} {true:.3e} * {shape} (fit {error:.1e}): the penalty is in the loss and not "
            "in the gradient; where the optimiser applies it (decoupled weight decay), leave it "
            "out of the loss that is checked"
        )
    factor = float(np.vdot(basis, analytic) / np.vdot(basis, basis))
    if np.linalg.norm(analytic - factor * basis) <= 1e-6 * np.linalg.norm(analytic):
        kind, words = _coefficient(factor / true if true else 0.0, scene.rows, size)
        return kind, f"{has} {words}: {factor:.3e} * {shape} where the loss has {true:.3e}"
    for other, kind, words in (
        (w * w, "reg_square", "W**2 where the derivative of the loss's penalty is that of W"),
        (np.sign(w), "reg_l1_form", "sign(W), and the loss the square of W"),
        (w, "reg_coefficient", "W, and the loss its absolute value"),
    ):
        c = float(np.vdot(other, analytic) / np.vdot(other, other))
        if np.linalg.norm(analytic - c * other) <= 1e-6 * np.linalg.norm(analytic):
            return kind, f"{has} a penalty's gradient that is a multiple of {words}"
    return "reg_coefficient", f"{has} a penalty's gradient of another form than the loss's penalty"


def _coefficient(ratio: float, rows: int, size: float) -> tuple[str, str]:
    """The kind and words of a penalty's gradient that is ``ratio`` times what it should be."""
    known = [
        (2.0, "reg_double", "twice the penalty's gradient"),
        (0.5, "reg_half", "half of the penalty's gradient"),
        (-1.0, "reg_sign", "the penalty's gradient with the wrong sign"),
        (1 / size, "reg_unsquared", f"the penalty's gradient over the block's norm, {size:.6g}"),
    ]
    if rows > 1:
        known.insert(2, (1 / rows, "reg_over_N", f"the penalty's gradient over the {rows} rows"))
    for value, kind, words in known:
        if abs(ratio - value) <= 1e-4 * abs(value):
            return kind, words
    return "reg_coefficient", f"{ratio:.6g} times the penalty's gradient"


def _left(wanted: Array, along: Array) -> float:
    size = float(along @ along)
    if not size:
        return float(np.linalg.norm(wanted))
    return float(np.linalg.norm(wanted - along * (along @ wanted / size)))
