"""What the user's functions do when they are called again.

A derivative means nothing if the loss is another function at each call, so this comes first: twice
the same loss, twice the same gradients, and what other weights and another batch give right after
them, beside what these give when nothing has been called before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from gradhook._types import Batch, Blocks, Tolerance
from gradhook.check.record import CheckRecord, Randomness
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator, Rewind
from gradhook.objective.batch import upcast
from gradhook.objective.gradients import is_large
from gradhook.objective.parameters import norm
from gradhook.probe.setting import switch_states
from gradhook.report import Cause

MOST_COMPARED = 1 << 15
"""Numbers of a large gradient that are compared with later calls, or up to twice as many."""


def call_loss_twice(record: CheckRecord) -> None:
    """See whether the loss repeats, and on the way find the off-value of dropout switches.

    Of the values that a switch's name leaves open, the first that gives a finite, repeatable loss
    turns it off.
    """
    evaluator, tolerance = record.evaluator, record.options.tolerance
    evaluator.switches = list(switch_states(record.switches))
    called = None
    for switch in (s for s in record.dropouts if len(s.off_values) > 1):
        for value in switch.off_values:
            switch.off, called = value, None
            try:
                called = _called_twice(evaluator, tolerance)
            except Exception:  # a rate of 0 or 1 may divide by zero
                continue
            if math.isfinite(called[0]) and not called[2]:
                break
        else:
            switch.off, called = switch.off_values[0], None
    record.loss, second, record.randomness = called or _called_twice(evaluator, tolerance)
    if record.randomness in ("kept", "drawn") and evaluator.calls.both is None:
        evaluator.between = evaluator.guard.rewind
        if not _makes_the_pass(evaluator, second, tolerance):
            evaluator.between = evaluator.guard.rewind_generators


def _called_twice(evaluator: Evaluator, tolerance: Tolerance) -> tuple[float, float, Randomness]:
    """Two losses in a row, and a third with generators and state put back where they differ."""
    first = evaluator.loss()
    moved = evaluator.guard.any_generator_moved()
    second = evaluator.loss(rewind="nothing")
    if _same(first, second, tolerance):
        return first, second, ""
    if not _same(first, evaluator.loss(), tolerance):
        return first, second, "unreachable"
    return first, second, "drawn" if moved else "kept"


def _makes_the_pass(evaluator: Evaluator, second: float, tolerance: Tolerance) -> bool:
    """Whether gradients alone carry on all that a loss does: what follows is a second loss.

    Those that use what a loss has cached leave the state as it was, or miss it.
    """
    try:
        evaluator.loss_and_gradients()
        return _same(evaluator.loss(rewind="nothing"), second, tolerance)
    except Exception:  # what a loss has cached is gone
        return False


def call_with_gradients(record: CheckRecord) -> Blocks:
    """The first gradients; returns what is compared with later calls, of large ones sums."""
    loss, gradients = record.evaluator.loss_and_gradients()
    if not record.randomness and record.evaluator.guard.any_generator_moved():
        record.evaluator.loss()
        if not record.evaluator.guard.any_generator_moved():
            record.randomness = "gradients"
    record.gradients = {} if is_large(gradients) else gradients
    record.norms = {name: norm(gradient) for name, gradient in gradients.items()}
    agree = _same(loss, record.loss, record.options.tolerance)
    record.disagreement = 0.0 if agree else record.loss - loss
    return _sketches(gradients)


def call_gradients_again(record: CheckRecord, first: Blocks) -> None:
    """The gradients again without putting state back, then at other weights and on other rows."""
    evaluator, tolerance = record.evaluator, record.options.tolerance
    loss, second = _sketched(evaluator)
    # Where the loss moved too, state that it keeps changed (a hidden state carried on): no fault of
    # the gradients.  Of a loss that is NaN nobody can tell.
    expected = record.loss - record.disagreement
    if not (math.isfinite(expected) and _same(loss, expected, tolerance)):
        return
    least = tolerance.same_gradient
    ratios = _changes(second, first, least)
    other_than_twice = _changes(second, {n: 2 * first[n] for n in ratios}, least)
    if not ratios:
        ratios = _kept_elsewhere(evaluator, record.generic_moves(), None, tolerance)
        if record.rows.other is not None:
            ratios |= _kept_elsewhere(evaluator, {}, upcast(record.rows.other), tolerance)
        other_than_twice = ratios
    record.changed = {n: (n not in other_than_twice, ratio) for n, ratio in ratios.items()}


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
        distance = float(np.linalg.norm(now[name] - old))
        size = float(np.linalg.norm(now[name]) + np.linalg.norm(old))
        if distance > least * size:  # no number, nor an infinite one, is larger than its like
            changes[name] = distance / size
    return changes


def _same(a: float, b: float, tolerance: Tolerance) -> bool:
    if not (math.isfinite(a) and math.isfinite(b)):
        return a == b or (math.isnan(a) and math.isnan(b))
    return bool(abs(a - b) <= tolerance.same_loss * max(abs(a), abs(b)))


def causes_of_calls(record: CheckRecord, *, of_updates: bool = False) -> Iterator[Cause]:
    """Why a gradient changed from call to call, and what the calls wrote to.

    ``of_updates`` says that gradients were read from updates, which may have a state on purpose.
    """
    if record.unjudged:
        return
    if names := tuple(record.evaluator.written):
        yield Cause(
            "C", "writes_parameters", names,
            f"the functions write to {', '.join(names)}: a loss or gradient must leave its "
            "parameters alone",
            evidence="their bytes differ after one call",
            refuted_by="equal bytes before and after a call",
        )  # fmt: skip
    if record.evaluator.batch_written:
        yield Cause(
            "C", "writes_batch", (),
            "the functions write to the batch, so that every later call sees other data",
            evidence="the bytes of the batch differ after one call",
            refuted_by="equal bytes before and after a call",
        )  # fmt: skip
    if names := tuple(name for name, (twice, _) in record.changed.items() if twice):
        yield Cause(
            "A", "accumulated", names,
            f"the gradient of {', '.join(names)} is added to what the last call left",
            evidence="a second call at the same point returns twice the gradient",
            refuted_by="equal gradients from two calls at one point",
        )  # fmt: skip
    if names := tuple(name for name, (twice, _) in record.changed.items() if not twice):
        kind, kept = "stale_cache", "a value kept from an earlier call is used"
        if of_updates:
            kind, kept = "update_state", "the update keeps a state, as momentum or Adam do"
        yield Cause(
            "C", kind, names,
            f"the gradient of {', '.join(names)} depends on what was called before: {kept}",
            evidence="two calls with the same rows differ by the call before them",
            refuted_by="equal gradients whatever was called in between",
        )  # fmt: skip
