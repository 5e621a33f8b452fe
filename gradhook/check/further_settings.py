"""Further settings, at the generic point and at a second one: what the main one cannot see.

With dropout off its own backward pass is never run, so it is run once with the mask frozen by
common random numbers.  A large penalty masks a wrong data gradient, so the data term is looked at
alone; a wrong penalty gradient hides behind a coefficient of 1e-4, so the penalty is scaled up
until it weighs as much as the data.  Settings that can add nothing are skipped.

Where a displacement happens to leave a unit dead, or a gate shut, another one opens it.  So a block
that the generic point leaves UNTESTED is looked at once more, alone, at a second one, where every
block is drawn anew and up to half of its scale away.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gradhook._types import Verdict
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import generic, shrunk
from gradhook.objective.switches import BoundSwitch
from gradhook.options import Options
from gradhook.probe.measure import enter, measure
from gradhook.probe.prober import Budget
from gradhook.probe.setting import (
    EarlierResults,
    EnteredSetting,
    Setting,
    SettingResult,
    outside_domain,
    switch_states,
)

__all__ = ["measure_further", "measure_untested_again", "untested_blocks"]

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

SPREAD = 0.5
"""How far, in units of each scale, the second point lies at most."""

SECOND_ATTEMPTS, EXPLODED = 3, 10.0
"""Points tried, each a quarter as far as the one before, and how many times the loss at the first
point, and its slope over all scales, one may have."""


def measure_further(
    evaluator: Evaluator,
    main: SettingResult,
    options: Options,
    coverage: list[str],
    budget: Budget,
) -> list[SettingResult]:
    """Measure the further settings at the main one's point, where the evaluator is.

    ``coverage`` gets a sentence for each that could not be measured, and the budget is that of
    these settings and the current point.  In the end the switches are back at the main setting's.
    """
    settings: list[tuple[Setting, str]] = []
    switches = [switch for switch, _ in main.setting.switches]
    dropouts = [switch for switch in switches if switch.role == "dropout"]
    penalty = evaluator.calls.penalty
    if penalty is not None and main.prober.loss:
        added = penalty(evaluator.workspace.container(), evaluator.batch)
        share = abs(float(added) / main.prober.loss)
        if share < UNSEEN_SHARE:
            coverage.append(
                f"the penalty given is {share:.0e} of the loss: a mistake in its gradient would "
                "not show"
            )
    if dropouts:
        if all(switch.always_off for switch in dropouts):
            names = ", ".join(switch.name for switch in dropouts)
            coverage.append(f"dropout was not exercised: turned off in training by {names}")
        else:
            name = "generic point, dropout replayed"
            setting = replace(
                main.setting, name=name, switches=switch_states(switches, dropout="on")
            )
            settings.append((setting, "dropout's own backward pass was not exercised"))
    for switch in (s for s in switches if s.role == "penalty"):
        settings += _penalty_settings(evaluator, main, switch, coverage)
    measured = []
    for index, (setting, what) in enumerate(settings):
        entered = enter(evaluator, setting, seed=options.seed + 1 + index)
        if entered is None or (dropouts and evaluator.loss() != entered.loss):
            coverage.append(f"{what}: {UNSOUND}")
            continue
        if entered.loss == 0.0 and not any(g.any() for g in entered.gradients.values()):
            coverage.append(f"{what}: loss and gradients are zero then")
            continue
        part = budget.share(len(settings) - index + 1)  # one more for the current point
        measured.append(measure(entered, options, budget=part, earlier=EarlierResults.of([main])))
    evaluator.switches = list(main.setting.switches)
    return measured


def _penalty_settings(
    evaluator: Evaluator,
    main: SettingResult,
    switch: BoundSwitch,
    coverage: list[str],
) -> list[tuple[Setting, str]]:
    if switch.always_off:
        coverage.append(f"the penalty was not exercised: {switch.name} is off in training")
        return []
    what = f"{switch.name} could not be looked at by itself"
    switches = [each for each, _ in main.setting.switches]
    off = switch_states(switches, penalty={switch.name: "off"})
    evaluator.switches = list(off)
    try:
        data = evaluator.loss()
    except Exception:  # another value of a switch may be outside the domain
        data = math.nan
    if outside_domain(data):
        coverage.append(f"{what}: {UNSOUND}")
        return []
    penalty = main.prober.loss - data
    share = abs(penalty) / abs(data) if data else math.inf
    if share > DOMINANT_SHARE:
        name = f"generic point, {switch.name} off"
        return [(replace(main.setting, name=name, switches=off), what)]
    if share < 1 / DOMINANT_SHARE and switch.scalable:
        factor = 1 / share if abs(penalty) > 10 * main.prober.noise else BLIND_FACTOR
        name = f"generic point, {switch.name} x {float(f'{factor:.2g}'):g}"
        states = switch_states(switches, penalty={switch.name: factor})
        return [(replace(main.setting, name=name, switches=states), what)]
    return []


def untested_blocks(main: SettingResult) -> list[str]:
    """Blocks with elements that nothing in a setting exercised."""
    return [
        name
        for name, judgement in main.judgements.items()
        if judgement.finding.verdict is Verdict.UNTESTED and main.evidence[name].size
    ]


def measure_untested_again(
    evaluator: Evaluator, main: SettingResult, options: Options
) -> SettingResult | None:
    """Measure UNTESTED blocks at a second generic point; ``None`` if none could be judged there."""
    names = untested_blocks(main)
    if not names:
        return None
    with evaluator.aside():
        entered = _second_point(evaluator, main, options)
        if entered is None:
            return None
        earlier = EarlierResults.of([main])
        return measure(entered, options, names=names, earlier=earlier).judged_only()


def _second_point(
    evaluator: Evaluator, main: SettingResult, options: Options
) -> EnteredSetting | None:
    # Drawn anew, in the units and at the size of weights of the first point.
    arrays, first = evaluator.workspace.arrays, main.setting.moves
    seed = options.seed + 606
    drawn = generic(arrays, fixed=options.fixed, seed=seed, spread=SPREAD)
    moves = {
        name: replace(
            shrunk({name: move}, first[name].unit)[name],
            factor=first[name].factor,
            unit=first[name].unit,
        )
        for name, move in drawn.items()
        if name in first
    }
    limit = EXPLODED * (abs(main.prober.loss) + main.prober.ordinary)
    for attempt in range(SECOND_ATTEMPTS):
        nearer = shrunk(moves, 4.0**-attempt) if attempt else moves
        setting = replace(main.setting, name="second generic point", moves=nearer)
        entered = enter(evaluator, setting, seed=seed)
        if entered is None or outside_domain(entered.loss, entered.gradients):
            continue
        if abs(entered.loss) <= limit:
            return entered
    return None
