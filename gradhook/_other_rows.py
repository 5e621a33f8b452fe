"""Blocks that the rows drawn leave untested, measured on rows that were not drawn."""

from __future__ import annotations

from dataclasses import replace

from gradhook._evaluate import Evaluator
from gradhook._measured import Measured, Past
from gradhook._settings import call_in, measure, outside_domain
from gradhook._types import MISMATCH, Batch, Verdict
from gradhook.options import Options
from gradhook.probe.budget import GRANTED

__all__ = ["cost_of_other_rows", "measure_other_rows"]


def cost_of_other_rows(main: Measured) -> int:
    """Evaluations that other rows are granted: gradients once, and those of each block."""
    names = _untested(main)
    return 1 + GRANTED["further"][0] * len(names) if names else 0


def measure_other_rows(
    evaluator: Evaluator, measured: list[Measured], options: Options, rows: Batch
) -> Measured | None:
    """Measure what the main setting leaves UNTESTED on other rows.

    Args:
        evaluator: Calls the objective.
        measured: What all settings have said, the main one, at a generic point, first.
        options: The check's options.
        rows: Rows that were not drawn.

    Returns:
        What these rows told; ``None`` if nothing.
    """
    main = measured[0]
    names = _untested(main)
    if not names:
        return None
    setting = replace(main.setting, name=f"{main.setting.name}, other rows", batch=rows)
    with evaluator.aside():
        called = call_in(evaluator, setting)
        if called is None or outside_domain(*called):
            return None
        loss, gradients = called
        there = measure(
            evaluator,
            setting,
            options,
            seed=options.seed + 303,
            loss=loss,
            gradients=gradients,
            names=names,
            probes=1,
            past=Past.of(measured),
        )
    # What these rows leave open as well is said already.
    told = {
        name: judgement
        for name, judgement in there.judgements.items()
        if judgement.finding.verdict in (*MISMATCH, Verdict.PASS)
    }
    return replace(there, judgements=told) if told else None


def _untested(main: Measured) -> list[str]:
    # By what the loss as given says: a penalty that is scaled up exercises every block.
    return [
        name
        for name, judgement in main.judgements.items()
        if judgement.finding.verdict is Verdict.UNTESTED and main.evidence[name].size
    ]
