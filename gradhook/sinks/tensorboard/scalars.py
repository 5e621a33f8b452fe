"""A report as numbers by tag: what every scalar writer is given.

TensorBoard draws 1e-8 as 0, so the main curves are the decimal logarithm of the ratio.  A ratio of
exactly 0 is drawn at -17, below what double precision can tell from it.  What was not judged is
NaN, which TensorBoard draws as a triangle: it must never look like the best point of the curve.
"""

from __future__ import annotations

import math

from gradhook._types import Verdict
from gradhook.report import BlockReport, Report

__all__ = ["BANDS", "DETAIL", "FLOOR", "MAIN", "log10_ratio", "scalars"]

MAIN = "gradcheck"
"""Group of the logarithms of the ratios."""

DETAIL = "gradcheck_detail"
"""Group of everything else that is a number."""

BANDS = "gradcheck_bands"
"""Group of the thresholds, as logarithms, and of the lower edge of the band that passes."""

FLOOR = -17.0
"""Logarithm at which ratios of 1e-17 and less are drawn, 0 among them."""


def log10_ratio(ratio: float) -> float:
    """Return the decimal logarithm of a ratio, at least ``FLOOR``.

    NaN where the ratio is NaN, infinite or negative.

    Example:
        >>> log10_ratio(1e-8), log10_ratio(0.0), log10_ratio(math.nan)
        (-8.0, -17.0, nan)
    """
    if not 0 <= ratio < math.inf:
        return math.nan
    return max(math.log10(ratio), FLOOR) if ratio else FLOOR


def scalars(report: Report, tags: dict[str, str]) -> dict[str, float]:
    """Return the numbers of a report by tag.

    Args:
        report: The report.
        tags: Tags of its blocks by their names, from ``BlockTags``.

    Returns: ``gradcheck/ratio`` and ``gradcheck/<block>``, logarithms;
        ``gradcheck_bands/{floor,warn,fail,top}``, logarithms;
        ``gradcheck_detail/{ratio,ratio_error,verdict,kinks,evaluations,gradient_evaluations,loss,seconds}``
        and ``gradcheck_detail/<block>/{ratio,ratio_error,verdict,kinks}``, as they are (the verdict
        by its severity).
    """
    values = {f"{MAIN}/ratio": log10_ratio(report.ratio) if _judged(report) else math.nan}
    for name, block in report.blocks.items():
        values[f"{MAIN}/{tags[name]}"] = log10_ratio(_largest_ratio(block))
    values |= {
        f"{BANDS}/floor": FLOOR,
        f"{BANDS}/warn": log10_ratio(report.tolerance.warn),
        f"{BANDS}/fail": log10_ratio(report.tolerance.fail),
        f"{BANDS}/top": 0.0,
        f"{DETAIL}/ratio": report.ratio,
        f"{DETAIL}/ratio_error": report.ratio_error,
        f"{DETAIL}/verdict": float(report.verdict.severity),
        f"{DETAIL}/kinks": float(sum(_kinks(block) for block in report.blocks.values())),
        f"{DETAIL}/evaluations": float(report.evaluations),
        f"{DETAIL}/gradient_evaluations": float(report.gradient_evaluations),
        f"{DETAIL}/loss": report.loss,
        f"{DETAIL}/seconds": report.seconds,
    }
    for name, block in report.blocks.items():
        group = f"{DETAIL}/{tags[name]}"
        values[f"{group}/ratio"] = block.ratio
        values[f"{group}/ratio_error"] = block.ratio_error
        values[f"{group}/verdict"] = float(block.verdict.severity)
        values[f"{group}/kinks"] = float(_kinks(block))
    return values


def _judged(report: Report) -> bool:
    """Whether the overall ratio says something.

    A check that could not tell has none.  One that passed with some blocks untested has the ratio
    of the others, and its curve would otherwise be empty for every network with a bias before its
    BatchNorm.
    """
    if report.verdict is Verdict.UNTESTED:
        return report.passed
    return report.verdict is not Verdict.INCONCLUSIVE


def _largest_ratio(block: BlockReport) -> float:
    """Return the largest ratio over the settings that judged a block, NaN where none did."""
    if block.verdict in (Verdict.UNTESTED, Verdict.INCONCLUSIVE):
        return math.nan
    judging = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)
    ratios = [block.ratio] + [f.ratio for f in block.findings if f.verdict in judging]
    return max((ratio for ratio in ratios if not math.isnan(ratio)), default=math.nan)


def _kinks(block: BlockReport) -> int:
    """Return how many probes of a block met a kink, over all settings."""
    return sum(finding.kinks for finding in block.findings)
