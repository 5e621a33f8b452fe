"""Further settings at the generic point: what the main one cannot see.

With dropout off its own backward pass is never run, so it is run once with the mask frozen by
common random numbers.  A large penalty masks a wrong data gradient, so the data term is looked at
alone; a wrong penalty gradient hides behind a coefficient of 1e-4, so the penalty is scaled up
until it weighs as much as the data.  Settings that can add nothing are skipped.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.switches import BoundSwitch
from gradhook.options import Options
from gradhook.probe.budget import Budget
from gradhook.probe.measure import measure
from gradhook.probe.result import EarlierResults, SettingResult
from gradhook.probe.setting import EnteredSetting, Setting, Switchboard, outside_domain

__all__ = ["measure_further"]

DOMINANT_SHARE = 10.0
"""Penalty over data term above which the penalty is turned off; below the inverse, scaled up."""

UNSEEN_SHARE = 1e-4
"""Share of the loss below which a penalty that cannot be scaled is too small to be checked."""

BLIND_FACTOR = 1e3
"""Factor on a penalty that is lost in the rounding of the loss, and so known to be small only."""


def measure_further(
    evaluator: Evaluator,
    board: Switchboard,
    main: SettingResult,
    options: Options,
    coverage: list[str],
    budget: Budget,
) -> list[SettingResult]:
    """Measure the further settings at the main one's point.

    Args:
        evaluator: At the main setting's point.
        board: The switches.
        main: What the main setting gave.
        options: The check's options.
        coverage: Gets a sentence for each setting that could not be measured.
        budget: What these settings and the current point may cost.

    Returns:
        The settings measured; the switches are back at the main setting's.
    """
    settings: list[tuple[Setting, str, str]] = []
    if evaluator.penalty is not None and main.prober.loss:
        added = evaluator.penalty(evaluator.workspace.container(), evaluator.batch)
        share = abs(float(added) / main.prober.loss)
        if share < UNSEEN_SHARE:
            coverage.append(
                f"the penalty given is {share:.0e} of the loss: a mistake in its gradient would "
                "not show"
            )
    if board.dropouts:
        if all(switch.always_off for switch in board.dropouts):
            names = ", ".join(switch.name for switch in board.dropouts)
            coverage.append(f"dropout was not exercised: turned off in training by {names}")
        else:
            name = "generic point, dropout replayed"
            setting = replace(main.setting, name=name, switches=board.states(dropout="on"))
            what = "dropout's own backward pass was not exercised"
            why = "its mask cannot be replayed; pass state= the generator that draws it"
            settings.append((setting, what, why))
    for switch in board.penalties:
        settings += _penalty_settings(evaluator, board, main, switch, coverage)
    measured = []
    for index, (setting, what, why) in enumerate(settings):
        evaluator.switches = list(setting.switches)
        try:
            loss, gradients = evaluator.loss_and_gradients()
            sound = not outside_domain(loss) and (not board.dropouts or evaluator.loss() == loss)
        except Exception as error:  # another value of a switch may be outside the domain
            coverage.append(f"{what} ({type(error).__name__}: {error})")
            continue
        if not sound:
            coverage.append(f"{what}: {why}")
            continue
        if loss == 0.0 and not any(gradient.any() for gradient in gradients.values()):
            coverage.append(f"{what}: loss and gradients are zero then")
            continue
        entered = EnteredSetting(evaluator, setting, options.seed + 1 + index, loss, gradients)
        part = budget.share(len(settings) - index + 1)  # one more for the current point
        measured.append(measure(entered, options, budget=part, earlier=EarlierResults.of([main])))
    evaluator.switches = list(main.setting.switches)
    return measured


def _penalty_settings(
    evaluator: Evaluator,
    board: Switchboard,
    main: SettingResult,
    switch: BoundSwitch,
    coverage: list[str],
) -> list[tuple[Setting, str, str]]:
    if switch.always_off:
        coverage.append(f"the penalty was not exercised: {switch.name} is off in training")
        return []
    what = f"{switch.name} could not be looked at by itself"
    why = "the loss is not finite then"
    off = board.states(penalty={switch.name: "off"})
    evaluator.switches = list(off)
    try:
        data = evaluator.loss()
    except Exception as error:
        coverage.append(f"{what} ({type(error).__name__}: {error})")
        return []
    if outside_domain(data):
        coverage.append(f"{what}: {why}")
        return []
    penalty = main.prober.loss - data
    share = abs(penalty) / abs(data) if data else math.inf
    if share > DOMINANT_SHARE:
        name = f"generic point, {switch.name} off"
        return [(replace(main.setting, name=name, switches=off), what, why)]
    if share < 1 / DOMINANT_SHARE and switch.scalable:
        factor = 1 / share if abs(penalty) > 10 * main.prober.noise else BLIND_FACTOR
        name = f"generic point, {switch.name} × {factor:.2g}"
        states = board.states(penalty={switch.name: factor})
        return [(replace(main.setting, name=name, switches=states), what, why)]
    return []
