"""What a check did not exercise: said next to "passed", in words.

A gradient can be right at the point and on the rows looked at and wrong elsewhere.  Some such
blind spots are known to hide bugs and can be read off the data.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gradhook._types import Array, Batch, Verdict
from gradhook.check.record import CheckRecord
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.batch import Rows, passed_whole
from gradhook.report import BlockReport
from gradhook.report.wording import unjudged_sentences

__all__ = ["idle_part", "remarks", "unexercised"]


def unexercised(blocks: Mapping[str, BlockReport], outcome: CheckRecord, rows: Rows) -> list[str]:
    """Sentences on the blocks, settings and units that could not be judged, and on these rows."""
    where = "here" if rows.rows is None else "on these rows of data"
    sentences = []
    for name, block in blocks.items():
        sentences += unjudged_sentences(block)
        idle = idle_part(outcome.gradients_of(name)) if block.verdict is Verdict.PASS else ""
        if idle:
            dead = " (dead units?)" * idle.endswith("elements")
            sentences.append(f"{name}: {idle} have zero gradient {where}{dead}, untested")
    if rows.count == 1:
        sentences.append("one sample: a sum and a mean over the batch cannot be told apart")
    return sentences + _unrepeated(outcome, rows)


def _unrepeated(outcome: CheckRecord, rows: Rows) -> list[str]:
    """Embeddings of which no row is used twice, so that ``dE[idx] += g`` would go unnoticed."""
    sentences = []
    for item in rows.batch:
        if not (isinstance(item, np.ndarray) and item.dtype.kind in "iu" and item.size > 1):
            continue
        used, times = np.unique(item, return_counts=True)
        for name, gradient in outcome.facts.gradients.items():
            touched = np.flatnonzero(gradient.any(axis=tuple(range(1, gradient.ndim))))
            # Rows with a gradient are exactly those that the indices name: an embedding.
            embeds = gradient.ndim >= 2 and np.array_equal(touched, used)
            if embeds and len(touched) < len(gradient) and times.max() == 1:
                sentences.append(
                    f"no index repeats in these rows: adding up gradients of equal rows of {name} "
                    "was not exercised"
                )
    return sentences


WORTH_SAYING = 0.25
"""Share of a block's slices that must be without gradient."""


def idle_part(gradients: Sequence[Array]) -> str:
    """Slices along the first or the last axis whose gradient is zero to the bit, wherever measured.

    Of the axis with the larger share, as ``"12 of 20 rows"``; empty below ``WORTH_SAYING``.
    """
    if not gradients or gradients[0].ndim == 0 or gradients[0].size == 0:
        return ""
    ndim = gradients[0].ndim
    found = []
    for axis in sorted({0, ndim - 1}):
        others = tuple(other for other in range(ndim) if other != axis)
        zero = np.logical_and.reduce([~g.any(axis=others) for g in gradients])
        found.append((zero.mean(), f"{zero.sum()} of {zero.size} {_name(axis, ndim)}"))
    share, said = max(found, key=lambda idle: idle[0])
    return said if share >= WORTH_SAYING else ""


def _name(axis: int, ndim: int) -> str:
    if ndim == 1:
        return "elements"
    if ndim == 2:
        return "rows" if axis == 0 else "columns"
    return f"slices along the {'last' if axis else 'first'} axis"


def remarks(
    outcome: CheckRecord, evaluator: Evaluator, rows: Rows, whole: Batch, keywords: Iterable[str]
) -> list[str]:
    """What a reader must know before the verdict; no switch turns the ``keywords``."""
    return [
        *outcome.notes,
        *_on_repeating(outcome, evaluator, keywords),
        *evaluator.workspace.tree.notes,
        *filter(None, [evaluator.name_rule, passed_whole(rows, whole)]),
        *_on_exceptions(evaluator),
        *evaluator.guard.notes,
    ]


def _on_repeating(outcome: CheckRecord, evaluator: Evaluator, keywords: Iterable[str]) -> list[str]:
    """Whether the loss was the same number each time."""
    facts, notes = outcome.facts, []
    off = [repr(switch.name) for switch, _ in evaluator.switches if switch.role == "dropout"]
    if facts.random and facts.replayable and not facts.generator_moved:
        notes.append(
            "the loss changes from call to call with state that it keeps: checked with that state "
            "put back each time"
        )
    elif facts.random and facts.replayable and off:
        notes.append(
            f"the loss is random although {', '.join(off)} {'was' if len(off) == 1 else 'were'} "
            "turned off: something else draws from a generator, or the switch does nothing; "
            "checked with what is drawn frozen"
        )
    elif facts.random and facts.replayable:
        alike = (repr(n) for n in keywords if re.match("keep|.*drop", n, re.IGNORECASE))
        notes.append(
            "the loss is random (dropout on?): checked with its mask frozen; to check without, "
            f"pass dropout={next(alike, 'the name of the switch that turns it off')}"
        )
    if facts.disagreement:
        notes.append(
            "the loss alone and the loss returned with the gradients differ by "
            f"{facts.disagreement:.1e}: are both in the same mode (training or evaluation)?"
        )
    return notes


def _on_exceptions(evaluator: Evaluator) -> list[str]:
    """Whether the objective raised something that the check went on without."""
    error = evaluator.user_error
    if error is None:
        return []
    what = textwrap.shorten(f"{type(error).__name__}: {error}", 100, placeholder=" …")
    return [
        f"away from where you stand the objective raised {what}; taken for the end of its domain"
    ]
