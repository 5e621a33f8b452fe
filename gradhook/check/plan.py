"""One check from the first evaluation to the last judgement, with everything already guarded.

The order is that of cost and of trust: is the loss a function at all (twice the same number), what
do the gradients do when called again, does the loss read its parameters, then the generic point,
further settings, and the point where the user stands.  A mismatch at the current point is measured
again a step away, off every tie, before it counts.

The further settings look at what the main one cannot see.  With dropout off its own backward pass
is never run, so it is run once with the mask frozen by common random numbers.  A large penalty
masks a wrong data gradient, so the data term is looked at alone; a wrong penalty gradient hides
behind a coefficient of 1e-4, so the penalty is scaled up until it weighs as much as the data.
Settings that can add nothing are skipped.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from gradhook._types import MISMATCH, Verdict
from gradhook.check.generic_point import enter_second_point, find_generic, set_unread_apart
from gradhook.check.record import CheckRecord, UnusableRowsError
from gradhook.check.sanity import (
    call_gradients_again,
    call_loss_twice,
    call_with_gradients,
)
from gradhook.check.whole_batch import agrees, enter_every_row, every_row, merged
from gradhook.errors import UnreadParametersError
from gradhook.objective.switches import BoundSwitch, SwitchState
from gradhook.probe.measure import enter, measure, measure_quickly
from gradhook.probe.setting import (
    EarlierResults,
    EnteredSetting,
    SettingResult,
    outside_domain,
    switch_states,
)

DOMINANT_SHARE = 10.0
"""Penalty over data term above which the penalty is turned off; below the inverse, scaled up."""

UNSEEN_SHARE = 1e-4
"""Share of the loss below which a penalty that cannot be scaled is too small to be checked."""

BLIND_FACTOR = 1e3
"""Factor on a penalty that is lost in the rounding of the loss, and so known to be small only."""

UNSOUND = (
    "the loss raises, is not finite, or does not repeat then; pass state= the generator that draws "
    "a mask"
)
"""Why a further setting cannot be looked at."""


def make(record: CheckRecord) -> CheckRecord:
    """Make the check; an exception of the user's at the current point leaves it.

    Raises:
        UnusableRowsError: Nothing can be seen on these rows, and others may do.
    """
    call_loss_twice(record)
    record.unjudged = _why_unjudged(record)
    if record.unjudged:
        return record
    first = call_with_gradients(record)
    if record.is_part and not all(map(math.isfinite, record.norms.values())):
        raise UnusableRowsError("a gradient is not finite")
    if not record.is_quick:
        call_gradients_again(record, first)
    record.evaluator.guard.learn_volatile()
    _measure_settings(record)
    if record.rows.rows is not None and not record.is_quick:
        record = _held_against_the_batch(record)
    set_unread_apart(record)
    _explain(record)
    return record


def _why_unjudged(record: CheckRecord) -> str:
    """Why a loss that was called twice is none to judge; empty if it is one."""
    if not math.isfinite(record.loss):
        if record.is_part:
            raise UnusableRowsError(f"the loss is {record.loss}")
        return f"the loss is {record.loss} at these weights: has training diverged?"
    if record.randomness != "unreachable":
        return ""
    hidden = ", ".join(record.evaluator.guard.hidden)
    perhaps = (
        f"; if it draws from {hidden}, which cannot be put back and has moved on, do that in the "
        "loop and pass what it gives as the batch"
    )
    return (
        "random loss, generator not reachable: two calls in a row differ and putting generators "
        "back does not help; pass state= the generator that the loss draws from, or dropout= the "
        f"switch that turns it off{perhaps if hidden else ''}"
    )


def _measure_settings(record: CheckRecord) -> None:
    """The generic point with its further settings, then the current point."""
    _measure_generic(record)
    if record.wants("current") and not (record.is_quick and record.measured):
        _measure_current(record)


def _measure_generic(record: CheckRecord) -> None:
    """The main setting and the further ones at its point, if there is such a point."""
    entered = find_generic(record)
    if entered is None:
        return
    options, elsewhere = record.options, record.loss
    if record.is_quick:
        record.measured.append(measure_quickly(entered, options, elsewhere=elsewhere))
        return
    earlier = EarlierResults(elsewhere=elsewhere)
    main = measure(entered, options, budget=record.budget.share(2), earlier=earlier)
    del entered  # large gradients are let go as soon as they may be
    record.measured.append(main)
    _measure_untested(record, enter_second_point)
    record.measured += _measure_further(record, main)


def _measure_untested(
    record: CheckRecord, go: Callable[[CheckRecord], EnteredSetting | None]
) -> None:
    """Measure what nothing exercised at the main setting once more, where ``go`` leads."""
    main = record.measured[0]
    names = [
        name
        for name, judgement in main.judgements.items()
        if judgement.finding.verdict is Verdict.UNTESTED and main.evidence[name].size
    ]
    if not names:
        return
    with record.evaluator.aside():
        entered = go(record)
        if entered is not None:
            earlier = EarlierResults.of(record.measured)
            there = measure(entered, record.options, names=names, earlier=earlier)
            # What is left open there as well is said already.
            record.measured += filter(None, [there.judged_only()])


def _measure_further(record: CheckRecord, main: SettingResult) -> list[SettingResult]:
    """Measure the further settings at the main one's point, where the evaluator is.

    The coverage gets a sentence for each that could not be measured.  In the end the switches are
    back at the main setting's.
    """
    evaluator, options, coverage = record.evaluator, record.options, record.coverage
    penalty = evaluator.calls.penalty
    if penalty is not None and main.prober.loss:
        added = penalty(evaluator.workspace.container(), evaluator.batch)
        share = abs(float(added) / main.prober.loss)
        if share < UNSEEN_SHARE:
            coverage.append(
                f"the penalty given is {share:.0e} of the loss: a mistake in its gradient would "
                "not show"
            )
    settings, measured = list(_further_settings(record, main)), []
    for index, (name, states, what) in enumerate(settings):
        setting = replace(main.setting, name=f"generic point, {name}", switches=states)
        entered = enter(evaluator, setting, seed=options.seed + 1 + index)
        if entered is None or (record.dropouts and evaluator.loss() != entered.loss):
            coverage.append(f"{what}: {UNSOUND}")
        elif entered.loss == 0.0 and not any(g.any() for g in entered.gradients.values()):
            coverage.append(f"{what}: loss and gradients are zero then")
        else:
            part = record.budget.share(len(settings) - index + 1)  # one more for the current point
            earlier = EarlierResults.of([main])
            measured.append(measure(entered, options, budget=part, earlier=earlier))
    evaluator.switches = list(main.setting.switches)
    return measured


def _further_settings(
    record: CheckRecord, main: SettingResult
) -> Iterator[tuple[str, tuple[tuple[BoundSwitch, SwitchState], ...], str]]:
    """How switches are turned in further settings, by name, and what is not seen without them."""
    evaluator, coverage, dropouts = record.evaluator, record.coverage, record.dropouts
    switched = functools.partial(switch_states, record.switches)
    if dropouts and all(switch.always_off for switch in dropouts):
        names = ", ".join(switch.name for switch in dropouts)
        coverage.append(f"dropout was not exercised: turned off in training by {names}")
    elif dropouts:
        states = switched(dropout="on")
        yield "dropout replayed", states, "dropout's own backward pass was not exercised"
    for switch in (s for s in record.switches if s.role == "penalty"):
        if switch.always_off:
            coverage.append(f"the penalty was not exercised: {switch.name} is off in training")
            continue
        what = f"{switch.name} could not be looked at by itself"
        off = switched(penalty={switch.name: "off"})
        evaluator.switches = list(off)
        try:
            data = evaluator.loss()
        except Exception:  # another value of a switch may be outside the domain
            data = math.nan
        penalty = main.prober.loss - data
        share = abs(penalty) / abs(data) if data else math.inf
        if outside_domain(data):
            coverage.append(f"{what}: {UNSOUND}")
        elif share > DOMINANT_SHARE:
            yield f"{switch.name} off", off, what
        elif share < 1 / DOMINANT_SHARE and switch.scalable:
            factor = 1 / share if abs(penalty) > 10 * main.prober.noise else BLIND_FACTOR
            states = switched(penalty={switch.name: factor})
            yield f"{switch.name} x {float(f'{factor:.2g}'):g}", states, what


def _measure_current(record: CheckRecord) -> None:
    evaluator, options = record.evaluator, record.options
    evaluator.workspace.move({})
    gradients = record.gradients or evaluator.loss_and_gradients()[1]
    earlier = EarlierResults.of(record.measured)
    setting = record.setting("current point", {})
    loss, seed = record.loss - record.disagreement, options.seed + 101
    entered = EnteredSetting(evaluator, setting, seed, loss, gradients)
    current = measure(entered, options, budget=record.budget, earlier=earlier)
    doubted = [
        name
        for name, judgement in current.judgements.items()
        if judgement.suspect
        and not current.evidence[name].spoiled
        and not (name in earlier.failed and not judgement.finding.kinks)
    ]
    if doubted:
        from gradhook.check.off_the_kink import measure_off_the_tie  # seldom needed

        current = measure_off_the_tie(record, current, doubted)
    record.measured.append(current)


def _held_against_the_batch(record: CheckRecord) -> CheckRecord:
    """What the rows said held against the whole batch, which has the last word."""
    evaluator = record.evaluator
    if not (record.measured and record.measured[0].setting.moves):
        return record
    _measure_untested(record, enter_every_row)
    with evaluator.aside():
        agreed = agrees(record)
    record.whole_batch = agreed is not None
    if agreed is not False:
        return record
    evaluator.batch = every_row(record)
    record.setting("current point", {}).enter(evaluator)
    try:
        every = replace(record, loss=evaluator.loss(), measured=[])
        call_with_gradients(every)
        _measure_settings(every)
    except UnreadParametersError:  # of the batch that the loop trains on nothing has been seen
        raise
    except Exception as error:  # the user's functions, or what cannot be checked on all rows
        record.coverage.append(f"the check could not be made again on the whole batch ({error})")
        return record
    return merged(record, every)


def _explain(record: CheckRecord) -> None:
    """Where and why; a check in which nothing is doubted loads none of what it takes."""
    evaluator, measured = record.evaluator, record.measured
    if any(judgement.doubted for each in measured for judgement in each.judgements.values()):
        from gradhook.diagnosis.branches.trace import trace_branches

        record.branches = trace_branches(evaluator, measured, record.coverage)
    verdicts = {name: record.verdict_of(name) for name in evaluator.workspace.names}
    if any(verdict in MISMATCH for verdict in verdicts.values()):
        from gradhook.diagnosis.explain import explain

        record.explanation = explain(
            evaluator, measured, verdicts, record.options, record.free, record.coverage,
            whole=None if record.rows.rows is None else every_row(record),
        )  # fmt: skip
