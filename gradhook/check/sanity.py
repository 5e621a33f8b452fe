"""What the user's functions do when they are called again.

A derivative means nothing if the loss is another function at each call, so this comes first: twice
the same loss, twice the same gradients, and what other weights and another batch give right after
them, beside what these give when nothing has been called before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gradhook._types import Batch, Blocks, Tolerance, Verdict
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator, Rewind
from gradhook.objective.gradients import is_large
from gradhook.objective.parameters import norm
from gradhook.report import Cause, Finding

__all__ = [
    "SanityResult",
    "call_gradients_again",
    "call_loss_twice",
    "call_with_gradients",
    "causes_of_calls",
    "findings_of_calls",
]


MOST_COMPARED = 1 << 15
"""Numbers of a large gradient that are compared with later calls, or up to twice as many."""


@dataclass(frozen=True, slots=True)
class SanityResult:
    """How the functions behaved at the current point.

    Args:
        loss: The loss.
        gradients: The analytic gradients of the first call; empty where they are too large to be
            kept.
        norms: ``‖a‖`` of each block, not finite where its gradient is not.
        sketches: What is compared with later calls: the gradients, of large ones sums.
        random: Whether two calls in a row gave different losses.
        generator_moved: Whether a call drew from a generator that can be reached.
        replayable: Whether the loss repeats once generators and state are put back.
        disagreement: Loss alone minus loss returned with the gradients, 0 if they agree to
            rounding.
        writes_parameters: Blocks that a call changed.
        writes_batch: Whether a call changed the batch.
        accumulated: Blocks whose second gradient was twice the first, with the ratio of the change.
        stale: Blocks whose gradient depends otherwise on what was called before, with the ratio.
    """

    loss: float
    gradients: Blocks
    norms: Mapping[str, float] = field(default_factory=dict)
    sketches: Blocks = field(default_factory=dict)
    random: bool = False
    generator_moved: bool = False
    replayable: bool = True
    disagreement: float = 0.0
    writes_parameters: tuple[str, ...] = ()
    writes_batch: bool = False
    accumulated: Mapping[str, float] = field(default_factory=dict)
    stale: Mapping[str, float] = field(default_factory=dict)


def call_loss_twice(evaluator: Evaluator, tolerance: Tolerance) -> SanityResult:
    """Two losses in a row, and a third with generators and state put back where they differ."""
    first = evaluator.loss()
    moved = evaluator.guard.any_generator_moved()
    random = not _same(first, evaluator.loss(rewind="nothing"), tolerance)
    replayable = not random or _same(first, evaluator.loss(), tolerance)
    return SanityResult(first, {}, random=random, generator_moved=moved, replayable=replayable)


def call_with_gradients(
    evaluator: Evaluator, facts: SanityResult, tolerance: Tolerance
) -> SanityResult:
    """The first gradients, and what the call wrote to."""
    loss, gradients = evaluator.loss_and_gradients()
    return replace(
        facts,
        gradients={} if is_large(gradients) else gradients,
        norms={name: norm(gradient) for name, gradient in gradients.items()},
        sketches=_sketches(gradients),
        disagreement=0.0 if _same(loss, facts.loss, tolerance) else facts.loss - loss,
        writes_parameters=tuple(evaluator.written),
        writes_batch=evaluator.batch_written,
    )


def call_gradients_again(
    evaluator: Evaluator,
    facts: SanityResult,
    other: Batch | None,
    tolerance: Tolerance,
    moves: Mapping[str, Move],
) -> SanityResult:
    """The gradients again without putting state back, then where ``moves`` and other rows lead."""
    first = facts.sketches
    loss, second = _sketched(evaluator)
    # Where the loss moved too, state that it keeps changed (a hidden state carried on): no fault of
    # the gradients.  Of a loss that is NaN nobody can tell.
    expected = facts.loss - facts.disagreement
    if not (math.isfinite(expected) and _same(loss, expected, tolerance)):
        return facts
    least = tolerance.same_gradient
    changed = _changes(second, first, least)
    if changed:
        other_than_twice = _changes(second, {n: 2 * first[n] for n in changed}, least)
        return replace(
            facts,
            accumulated={n: changed[n] for n in changed if n not in other_than_twice},
            stale={n: changed[n] for n in changed if n in other_than_twice},
        )
    stale = _kept_elsewhere(evaluator, moves, None, tolerance)
    if other is not None:
        stale |= _kept_elsewhere(evaluator, {}, other, tolerance)
    return replace(facts, stale=stale)


def _kept_elsewhere(
    evaluator: Evaluator, moves: Mapping[str, Move], other: Batch | None, tolerance: Tolerance
) -> dict[str, float]:
    """Blocks whose gradient, at other weights or on another batch, depends on the call before.

    A loss may carry something on from batch to batch; then nobody can tell.  Of what it carries on
    from other weights, as an iteration that goes on where it stopped, only what counts is a fault.
    """
    try:
        evaluator.workspace.renew()
        evaluator.workspace.move(moves)
        loss, kept = _sketched(evaluator, batch=other)
        fresh_loss, fresh = _sketched(evaluator, rewind="all", batch=other)
    except Exception:  # what the user never gave may not suit
        return {}
    finally:
        evaluator.workspace.move({})
    if other is not None and not _same(loss, fresh_loss, tolerance):
        return {}
    least = tolerance.fail if other is None else tolerance.same_gradient
    return _changes(kept, fresh, least)


def _sketched(
    evaluator: Evaluator, *, rewind: Rewind = "generators", batch: Batch | None = None
) -> tuple[float, Blocks]:
    loss, gradients = evaluator.loss_and_gradients(rewind=rewind, batch=batch)
    return loss, _sketches(gradients)


def _sketches(gradients: Blocks) -> Blocks:
    """The gradients themselves, but of large ones sums of neighbours with signs drawn at random."""
    sketches = {}
    for name, gradient in gradients.items():
        sketches[name] = gradient
        if gradient.size >= 2 * MOST_COMPARED:
            each, flat = gradient.size // MOST_COMPARED, gradient.reshape(-1)
            signs = np.random.default_rng(each).choice([-1, 1], each).astype(flat.dtype)
            some = flat.size // each * each
            sums = flat[:some].reshape(-1, each) @ signs
            sketches[name] = np.concatenate([sums, flat[some:]])
    return sketches


def _changes(now: Blocks, before: Blocks, least: float) -> dict[str, float]:
    """Blocks that differ by more than a share of their size, with the ratio of their difference."""
    changes = {}
    for name, old in before.items():
        with np.errstate(all="ignore"):
            distance = float(np.linalg.norm(now[name] - old))
            size = float(np.linalg.norm(now[name]) + np.linalg.norm(old))
        if math.isfinite(distance) and distance > least * size:
            changes[name] = distance / size
    return changes


def _same(a: float, b: float, tolerance: Tolerance) -> bool:
    if not (math.isfinite(a) and math.isfinite(b)):
        return a == b or (math.isnan(a) and math.isnan(b))
    return bool(abs(a - b) <= tolerance.same_loss * max(abs(a), abs(b)))


def findings_of_calls(facts: SanityResult) -> dict[str, list[Finding]]:
    """What is to be said of each block whose gradient changed from call to call."""
    said = {
        "called again at the same point it returns twice the gradient": facts.accumulated,
        "called at the same point after another call, it returns another gradient": facts.stale,
    }
    return {
        name: [Finding("called twice", Verdict.FAIL, ratio=ratio, ratio_error=0.0, note=note)]
        for note, ratios in said.items()
        for name, ratio in ratios.items()
    }


def causes_of_calls(facts: SanityResult, *, of_updates: bool = False) -> Iterator[Cause]:
    """Why a gradient changed from call to call, and what the calls wrote to.

    ``of_updates`` says that gradients were read from updates, which may have a state on purpose.
    """
    if names := facts.writes_parameters:
        yield Cause(
            "C", "writes_parameters", names,
            f"the functions write to {', '.join(names)}: a loss or gradient must leave its "
            "parameters alone",
            evidence="their bytes differ after one call",
            refuted_by="equal bytes before and after a call",
        )  # fmt: skip
    if facts.writes_batch:
        yield Cause(
            "C", "writes_batch", (),
            "the functions write to the batch, so that every later call sees other data",
            evidence="the bytes of the batch differ after one call",
            refuted_by="equal bytes before and after a call",
        )  # fmt: skip
    if names := tuple(facts.accumulated):
        yield Cause(
            "A", "accumulated", names,
            f"the gradient of {', '.join(names)} is added to what the last call left",
            evidence="a second call at the same point returns twice the gradient",
            refuted_by="equal gradients from two calls at one point",
        )  # fmt: skip
    if names := tuple(facts.stale):
        kind, kept = "stale_cache", "a value kept from an earlier call is used"
        if of_updates:
            kind, kept = "update_state", "the update keeps a state, as momentum or Adam do"
        yield Cause(
            "C", kind, names,
            f"the gradient of {', '.join(names)} depends on what was called before: {kept}",
            evidence="two calls with the same rows differ by the call before them",
            refuted_by="equal gradients whatever was called in between",
        )  # fmt: skip
