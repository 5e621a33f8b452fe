"""From what a session found to the report: findings combined, and nothing evaluated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradhook._types import MISMATCH, Array, Box, Verdict
from gradhook.check.coverage import idle_part, unexercised
from gradhook.check.record import CheckRecord
from gradhook.check.sanity import causes_of_calls
from gradhook.diagnosis import Explanation
from gradhook.objective.batch import Rows
from gradhook.objective.parameters import Tree
from gradhook.options import Options
from gradhook.probe.setting import SettingResult
from gradhook.report import BlockReport, Element, Report
from gradhook.verdict.evidence import BlockEvidence, Location, Norms, compare_all, describe
from gradhook.verdict.judge import combine, overall, passes

__all__ = ["assemble"]


def assemble(
    outcome: CheckRecord, tree: Tree, options: Options, rows: Rows, *, of_updates: bool
) -> Report:
    """Build the report, but for what the check cost and how it was called."""
    order = dict.fromkeys([*(options.layers or ()), *tree.blocks])
    blocks = {name: _block(name, tree.blocks[name], outcome) for name in order}
    verdicts = [block.verdict for block in blocks.values()]
    verdict = overall(verdicts)
    ratio, error = _overall_ratio(outcome)
    return Report(
        verdict=verdict,
        passed=passes(verdict, verdicts),
        blocks=blocks,
        ratio=ratio,
        ratio_error=error,
        causes=(
            *causes_of_calls(outcome.facts, of_updates=of_updates),
            *outcome.explanation.causes,
        ),
        boundary=outcome.explanation.boundary,
        coverage=(*outcome.coverage, *unexercised(blocks, outcome, rows)),
        settings=tuple(measured.setting.name for measured in outcome.measured),
        loss=outcome.facts.loss,
        seed=options.seed,
        effort=options.effort,
        tolerance=options.tolerance,
        rows=rows.rows,
        batch_rows=rows.total,
        whole_batch=outcome.whole_batch,
        textbook_ratio=_textbook_ratio(outcome.measured),
    )


def _block(name: str, leaf: Any, outcome: CheckRecord) -> BlockReport:
    array = np.asarray(leaf)
    findings = outcome.findings_of(name)
    decisive = combine(findings)
    measured = next((m for m in outcome.measured if m.setting.name == decisive.setting), None)
    evidence = measured.evidence.get(name) if measured else None
    plain = [(m.gradients[name], m.textbook[name]) for m in outcome.measured if name in m.textbook]
    gradient = measured.gradients.get(name) if measured else None
    location = outcome.explanation.locations.get(name)
    part = measured.judgements[name].location if measured else None
    untested = decisive.verdict is Verdict.UNTESTED
    idle = idle_part(outcome.gradients_of(name)) if untested else ""
    return BlockReport(
        name,
        array.shape,
        str(array.dtype),
        decisive.verdict,
        ratio=decisive.ratio,
        ratio_error=decisive.ratio_error,
        sentence=decisive.note + (f" ({idle} have zero gradient)" if idle else ""),
        worst=_worst(evidence, array.shape, location, decisive.setting) if evidence else None,
        where=outcome.explanation.where.get(name) or (describe(part) if part else None),
        findings=tuple(findings),
        setting=decisive.setting,
        textbook_ratio=_plain_ratio(*plain[0]) if plain else math.nan,
        branches=outcome.branches.get(name, ()),
        relative_errors=_relative_errors(evidence, gradient)
        if evidence and gradient is not None
        else None,
        wrong_parts=_wrong_parts(outcome.explanation, name),
    )


def _worst(
    evidence: BlockEvidence, shape: tuple[int, ...], location: Location | None, setting: str
) -> Element | None:
    """The element that is furthest off, of all or of those that a search has measured."""
    if not evidence.exact or not evidence.probes:
        if location is None or not location.elements:
            return None
        where, found = max(location.elements.items(), key=lambda item: abs(item[1].residual))
        slope = found.slope
        return Element(where, found.analytic, slope.value, slope.error, location.setting)
    index, probe = max(enumerate(evidence.probes), key=lambda item: abs(item[1].residual))
    position = tuple(map(int, np.unravel_index(index, shape)))
    return Element(position, probe.analytic, probe.slope.value, probe.slope.error, setting)


def _wrong_parts(found: Explanation, name: str) -> tuple[tuple[Box | Array, float], ...]:
    """The wrong parts, with the relative error of all of them together."""
    location = found.locations.get(name)
    if location is None or not location.boxes:
        return (found.masks[name],) if name in found.masks else ()
    size = max(location.norms.analytic, location.norms.numerical)
    error = location.norms.residual / size if size else 0.0
    return tuple((box, error) for box in location.boxes)


def _relative_errors(evidence: BlockEvidence, gradient: Array) -> Array | None:
    """``|a - n| / max(|a|, |n|)`` per element, ``nan`` where neither stands out of the error."""
    if evidence.elements is None:
        return None
    numerical = evidence.elements
    error = np.array([probe.slope.error for probe in evidence.probes]).reshape(gradient.shape)
    size = np.maximum(np.abs(gradient), np.abs(numerical))
    with np.errstate(all="ignore"):
        return np.where(size > error, np.abs(gradient - numerical) / size, np.nan)


def _overall_ratio(outcome: CheckRecord) -> tuple[float, float]:
    ratios = [compare_all(measured.comparisons()) for measured in outcome.measured]
    spoiled = [m.findings[n] for m in outcome.measured for n, e in m.evidence.items() if e.spoiled]
    findings = (*outcome.findings.values(), *outcome.kept.values(), spoiled)
    again = [f for each in findings for f in each if f.verdict in MISMATCH or f in spoiled]
    ratios += [(finding.ratio, finding.ratio_error) for finding in again]
    known = [pair for pair in ratios if not math.isnan(pair[0])]
    return max(known, default=(math.nan, math.nan))


def _textbook_ratio(measured: list[SettingResult]) -> float:
    for setting in measured:
        if setting.textbook:
            names = list(setting.textbook)
            analytic = np.concatenate([setting.gradients[n].ravel() for n in names])
            return _plain_ratio(
                analytic, np.concatenate([setting.textbook[n].ravel() for n in names])
            )
    return math.nan


def _plain_ratio(analytic: Array, numerical: Array) -> float:
    norm = np.linalg.norm
    residual = float(norm(analytic - numerical))
    return Norms(residual, float(norm(analytic)), float(norm(numerical))).ratio
