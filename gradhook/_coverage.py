"""What a check did not exercise: said next to "passed", in words.

A gradient can be right at the point and on the rows looked at and wrong elsewhere.  Some such
blind spots are known to hide bugs and can be read off the data.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradhook._branch import branch_sentences
from gradhook._idle import idle_part
from gradhook._outcome import Outcome
from gradhook._subset import Rows
from gradhook._types import Array, Verdict
from gradhook.report import BlockReport

__all__ = ["unexercised", "unjudged"]


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


def unjudged(blocks: Mapping[str, BlockReport], outcome: Outcome, where: str) -> list[str]:
    """Sentences on the blocks, settings and units that could not be judged.

    Args:
        blocks: What is said of each block.
        outcome: What was measured.
        where: Where it was measured, in words.
    """
    sentences = []
    for name, block in blocks.items():
        if block.verdict is Verdict.UNTESTED:
            sentences.append(f"{name} untested: {block.sentence}")
            continue
        for finding in block.findings:
            if finding.verdict in (Verdict.UNTESTED, Verdict.INCONCLUSIVE, Verdict.KINK) and (
                finding.verdict is not block.verdict
            ):
                first = branch_sentences(block.branches)[: finding.verdict is Verdict.KINK]
                said = "; ".join([finding.note, *first])
                sentences.append(f"{name} at {finding.setting}: {finding.verdict}, {said}")
        idle = idle_part(outcome.gradients_of(name)) if block.verdict is Verdict.PASS else None
        if idle is not None:
            sentences.append(idle.sentence(name, where))
    return sentences


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
