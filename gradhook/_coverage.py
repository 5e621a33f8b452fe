"""What a check did not exercise, besides single blocks: said next to "passed", in words.

A gradient can be right at the point and on the rows looked at and wrong elsewhere.  Some such
blind spots are known to hide bugs and can be read off the data.
"""

from __future__ import annotations

import numpy as np

from gradhook._session import Outcome
from gradhook._subset import Rows
from gradhook._types import Array

__all__ = ["unexercised"]


def unexercised(outcome: Outcome, rows: Rows, arrays: dict[str, Array]) -> tuple[str, ...]:
    """Sentences on what the rows and the point leave unseen.

    Args:
        outcome: What was measured.
        rows: The rows checked.
        arrays: The parameters at the current point, by name.
    """
    sentences = []
    if rows.count == 1:
        sentences.append("one sample: a sum and a mean over the batch cannot be told apart")
    sentences += _unrepeated(outcome, rows)
    if outcome.measured and not any(m.setting.moves for m in outcome.measured):
        sentences += _special_values(arrays)
    return tuple(sentences)


def _unrepeated(outcome: Outcome, rows: Rows) -> list[str]:
    """Embeddings of which no row is used twice, so that ``dE[idx] += g`` would go unnoticed."""
    sentences = []
    for item in rows.batch:
        if not (isinstance(item, np.ndarray) and item.dtype.kind in "iu" and item.size > 1):
            continue
        used, times = np.unique(item, return_counts=True)
        for name, gradient in outcome.facts.gradients.items():
            if gradient.ndim < 2 or used[0] < 0 or used[-1] >= len(gradient):
                continue
            touched = np.flatnonzero(gradient.reshape(len(gradient), -1).any(axis=1))
            # Rows with a gradient are exactly those that the indices name: an embedding.
            if len(touched) < len(gradient) and np.array_equal(touched, used) and times.max() == 1:
                sentences.append(
                    f"no index repeats in these rows: adding up gradients of equal rows of {name} "
                    "was not exercised"
                )
    return sentences


def _special_values(arrays: dict[str, Array]) -> list[str]:
    """Blocks whose values hide a factor or a term, where only the current point was checked."""
    zero = [name for name, a in arrays.items() if a.size and not a.any()]
    one = [name for name, a in arrays.items() if a.size and bool((a == 1).all())]
    sentences = []
    if zero:
        sentences.append(
            f"{', '.join(zero)} all zero here: terms that they multiply were not exercised"
        )
    if one:
        sentences.append(
            f"{', '.join(one)} all one here: a factor forgotten or squared would go unseen"
        )
    return sentences
