"""Losses on scores, with the gradient of the scores.

Each is a weighted mean over samples, ``sum(w * loss_i) / n``.  Without weights ``w = 1`` and ``n``
is the number of samples N; with sample weights ``n`` is still N; with a mask ``w`` is 0 or 1 and
``n`` counts the ones.  Scores of a sequence, (N, time, classes), are read as N * time rows, and the
loss sums over time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from gradhook._types import Array

__all__ = ["HEADS", "Head", "Hinge", "Softmax", "Squares", "Weighting", "averaged"]

Weighting = Literal["", "weights", "mask"]
"""What the third array of a batch is: none, sample weights, or a mask of labels that count."""


class Head(Protocol):
    """A loss of each row of scores, and its derivative."""

    def __call__(self, scores: Array, y: Array, bug: str) -> tuple[Array, Array]:
        """Return the loss of each row, (rows,), and its gradient by scores, (rows, columns)."""


@dataclass(frozen=True, slots=True)
class Softmax:
    """Cross-entropy of the softmax of the scores: ``-log p[y]``, with gradient ``p - onehot(y)``.

    Args:
        epsilon: Added inside the logarithm of the *loss alone*, as from-scratch books do; 0 for
            none.
    """

    epsilon: float = 0.0

    def __call__(self, scores: Array, y: Array, bug: str) -> tuple[Array, Array]:
        """Return ``-log p[y]`` and ``p - onehot(y)``; ``y`` holds class numbers."""
        rows = np.arange(len(y))
        shifted = scores - scores.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        p = np.exp(log_p)
        loss = -np.log(p[rows, y] + self.epsilon) if self.epsilon else -log_p[rows, y]
        dscores = p.copy()
        if bug == "softmax_diag_only":
            # dL/dp is -1/p at y, else 0; the whole Jacobian diag(p) - p p' couples the classes.
            dscores[:] = 0
            dscores[rows, y] = p[rows, y] - 1
        elif bug != "ce_forgot_minus1":
            dscores[rows, y] -= 1
        return loss, -dscores if bug == "ce_sign" else dscores


@dataclass(frozen=True, slots=True)
class Hinge:
    """Multi-class hinge: ``sum over j != y of max(0, s_j - s_y + 1)``."""

    def __call__(self, scores: Array, y: Array, bug: str) -> tuple[Array, Array]:
        """Return the margins' sum; one above 0 adds 1 to its class, and -1 to the right one."""
        rows = np.arange(len(y))
        margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
        margins[rows, y] = 0
        dscores = (margins > 0).astype(scores.dtype)
        if bug == "hinge_count1":
            dscores[rows, y] = -1
        elif bug != "hinge_no_correct":
            dscores[rows, y] = -dscores.sum(axis=1)
        loss: Array = margins.sum(axis=1)
        return loss, dscores


@dataclass(frozen=True, slots=True)
class Squares:
    """Sum of squared errors over the outputs: ``sum over j of (s_j - y_j)**2``."""

    def __call__(self, scores: Array, y: Array, bug: str) -> tuple[Array, Array]:
        """Return the squares' sum and twice the errors; ``y`` has the shape of the scores."""
        error = scores - y
        loss: Array = (error**2).sum(axis=1)
        dscores = 2 * error
        if bug == "mse_no_two":
            dscores = error
        if bug == "mse_mean_outputs":
            dscores = dscores / scores.shape[1]
        return loss, dscores


HEADS: Mapping[str, Head] = {"softmax": Softmax(), "hinge": Hinge(), "mse": Squares()}
"""The losses by name."""


def averaged(
    head: Head, scores: Array, y: Array, w: Array | None, weighting: Weighting, bug: str
) -> tuple[float, Array]:
    """Return the loss averaged over the samples, and the gradient of the scores.

    Args:
        head: Loss of each row.
        scores: (N, columns) or (N, time, columns).
        y: Targets: (N,) or (N, time) class numbers, or the shape of the scores.
        w: One weight, or 0 or 1, for each sample; ``None`` with an empty ``weighting``.
        weighting: What ``w`` is.
        bug: The operator planted, or an empty string.
    """
    n_samples = len(scores)
    rows = scores.reshape(-1, scores.shape[-1])
    steps = len(rows) // n_samples
    losses, drows = head(rows, y.reshape(-1, *y.shape[scores.ndim - 1 :]), bug)

    n = n_samples
    if w is not None:
        if weighting == "mask":
            n = max(1, int(np.count_nonzero(w)))
        row_weights = np.repeat(w, steps).astype(scores.dtype)
        losses = losses * row_weights
        if bug not in ("sample_weight_ignored", "mask_ignored"):
            drows = drows * row_weights[:, None]
    loss = float(losses.sum() / n)

    if bug == "mask_denominator":
        n = n_samples
    if bug == "extra_1_over_N":
        n = n * n
    dscores = drows if bug == "no_1_over_N" else drows / n
    return loss, dscores.reshape(scores.shape)
