"""A report as numbers by tag: what every scalar writer and every tracker is given.

TensorBoard draws 1e-8 as 0, so the curves are the decimal logarithm of the ratio.  A ratio of
exactly 0 is drawn at -17, below what double precision can tell from it.

A curve is read at a glance: above the upper limit is wrong, below the lower one is right.  What
would be misread is NaN, which TensorBoard draws as a triangle: a block that was not judged must not
look like the best point, nor one that passed although its ratio lies above the limit, by coarse
arithmetic or at a kink, like the worst.

A block's tag is its name, wherever that can be seen and is no other curve's.  Tags are never used
as file names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from gradhook._types import MISMATCH, Verdict
from gradhook.report import BlockReport, Report
from gradhook.report.format import block_names
from gradhook.report.story import telling_ratio

__all__ = ["FLOOR", "MAIN", "OVERALL", "RATIO", "WRONG", "block_tags", "log10_ratio", "scalars"]

MAIN = "gradcheck"
"""Group of all curves."""

WRONG = f"{MAIN}/0 wrong blocks"
"""Tag of the number of wrong blocks; its 0 sorts it first, and is the number to hope for."""

OVERALL = "ratio"
"""The ratio over all blocks, as a block would be called."""

RATIO = f"{MAIN}/{OVERALL}"
"""Its tag."""

LONGEST_TAG = 100
"""Characters of a name that are shown."""

FLOOR = -17.0
"""Logarithm at which ratios of 1e-17 and less are drawn, 0 among them."""

JUDGING = (Verdict.PASS, *MISMATCH)
"""Verdicts that a ratio stands for: it is no kink's, and the check could tell."""


def block_tags(names: Iterable[str]) -> dict[str, str]:
    """Return the tag of each block, without the group; no two alike.

    Example:
        >>> list(block_tags(["layer1/W", "ratio", "ratio_"]).values())
        ['layer1/W', 'ratio__', 'ratio_']
    """
    tags = block_names(names, LONGEST_TAG)
    for name, tag in tags.items():
        if f"{MAIN}/{tag}" in (RATIO, WRONG):
            while tag in tags.values():
                tag += "_"
            tags[name] = tag
    return tags


def log10_ratio(ratio: float) -> float:
    """Return the decimal logarithm of a ratio, at least ``FLOOR``.

    NaN where the ratio is NaN, infinite or negative.
    """
    if not 0 <= ratio < math.inf:
        return math.nan
    return max(math.log10(ratio), FLOOR) if ratio else FLOOR


def scalars(report: Report) -> dict[str, float]:
    """Return the numbers of a report by tag.

    Returns: ``gradcheck/0 wrong blocks``, NaN where none is wrong but the check could not tell;
        ``gradcheck/ratio`` and ``gradcheck/<block>``, logarithms.  Where a block or a part of it
        is wrong by more than the whole shows, the ratio is that of the part.
    """
    # A check that could not tell has no ratio.  One that passed with some blocks untested has the
    # others': else the curve would be empty for every network with a bias before its BatchNorm.
    untold = {Verdict.INCONCLUSIVE} if report.passed else {Verdict.INCONCLUSIVE, Verdict.UNTESTED}
    ratio = math.nan if report.verdict in untold else report.ratio
    wrong = [block for block in report.blocks.values() if block.verdict in MISMATCH]
    telling = [telling_ratio(block, report.tolerance)[0] for block in wrong]
    ratio = max([ratio, *(each for each in telling if each > ratio)])
    values = {
        WRONG: float(len(wrong)) if wrong or report.passed else math.nan,
        RATIO: _drawn(ratio, report.verdict, report),
    }
    for name, tag in block_tags(report.blocks).items():
        values[f"{MAIN}/{tag}"] = _block(report.blocks[name], report)
    return values


def _block(block: BlockReport, report: Report) -> float:
    """Return the largest logarithm over the settings that judged a block, NaN where none did."""
    if block.verdict in (Verdict.UNTESTED, Verdict.INCONCLUSIVE):
        return math.nan
    own = telling_ratio(block, report.tolerance)[0]
    found = [(block.verdict, own), *((f.verdict, f.ratio) for f in block.findings)]
    ratios = [ratio for verdict, ratio in found if verdict in JUDGING and not math.isnan(ratio)]
    return _drawn(max(ratios, default=math.nan), block.verdict, report)


def _drawn(ratio: float, verdict: Verdict, report: Report) -> float:
    """Return the logarithm of a ratio, NaN where it is above the limit and yet nothing is wrong."""
    harmless = ratio > report.tolerance.fail and verdict not in MISMATCH
    return math.nan if harmless else log10_ratio(ratio)
