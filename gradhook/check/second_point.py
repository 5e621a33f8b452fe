"""A second generic point for blocks that the first one leaves UNTESTED.

Where a displacement happens to leave a unit dead, or a gate shut, another one opens it.  So such a
block is looked at once more, alone, where every block is drawn anew and up to half of its scale
away.  What that point cannot exercise either stays UNTESTED.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gradhook._types import Array, Verdict
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import generic, shrunk
from gradhook.options import Options
from gradhook.probe.measure import enter, measure
from gradhook.probe.result import EarlierResults, SettingResult
from gradhook.probe.setting import EnteredSetting, outside_domain

__all__ = ["measure_untested_again"]

SPREAD = 0.5
"""How far, in units of each scale, the second point lies at most."""

SECOND_ATTEMPTS, EXPLODED = 3, 10.0
"""Points tried, each a quarter as far as the one before, and how many times the loss at the first
point, and its slope over all scales, one may have."""


def measure_untested_again(
    evaluator: Evaluator, main: SettingResult, options: Options
) -> SettingResult | None:
    """Measure blocks that the main setting leaves UNTESTED at a second generic point.

    Args:
        evaluator: In the main setting, and left there.
        main: What was measured in it.
        options: The check's options.

    Returns:
        The blocks that could be judged there; ``None`` if none could.
    """
    names = [
        name
        for name, judgement in main.judgements.items()
        if judgement.finding.verdict is Verdict.UNTESTED and main.evidence[name].size
    ]
    if not names:
        return None
    with evaluator.aside():
        entered = _entered(evaluator, main, options)
        if entered is None:
            return None
        earlier = EarlierResults.of([main])
        return measure(entered, options, names=names, earlier=earlier).judged_only()


def _entered(evaluator: Evaluator, main: SettingResult, options: Options) -> EnteredSetting | None:
    moves = _moves(evaluator.workspace.arrays, main.setting.moves, options)
    limit = EXPLODED * (abs(main.prober.loss) + main.prober.ordinary)
    for attempt in range(SECOND_ATTEMPTS):
        nearer = shrunk(moves, 4.0**-attempt) if attempt else moves
        setting = replace(main.setting, name="second generic point", moves=nearer)
        entered = enter(evaluator, setting, seed=options.seed + 606)
        if entered is None or outside_domain(entered.loss, entered.gradients):
            continue
        if abs(entered.loss) <= limit:
            return entered
    return None


def _moves(
    arrays: Mapping[str, Array], first: Mapping[str, Move], options: Options
) -> dict[str, Move]:
    """Displacements drawn anew, in the units and at the size of weights of the first point."""
    drawn = generic(arrays, fixed=options.fixed, seed=options.seed + 606, spread=SPREAD)
    return {
        name: replace(
            shrunk({name: move}, first[name].unit)[name],
            factor=first[name].factor,
            unit=first[name].unit,
        )
        for name, move in drawn.items()
        if name in first
    }
