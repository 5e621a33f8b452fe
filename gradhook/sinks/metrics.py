"""A report as numbers by tag, for TensorBoard and for trackers: Weights & Biases, MLflow and so on.

TensorBoard draws 1e-8 as 0, so the curves are the decimal logarithm of the ratio.  A ratio of
exactly 0 is drawn at -17, below what double precision can tell from it.

A curve is read at a glance: above the upper limit is wrong, below the lower one is right.  What
would be misread is NaN, which TensorBoard draws as a triangle: a block that was not judged must not
look like the best point, nor one that passed although its ratio lies above the limit, by coarse
arithmetic or at a kink, like the worst.

A block's tag is its name, wherever that can be seen and is no other curve's.  Tags are never used
as file names.

A tracker is known here by one function, ``log(mapping, step=...)``; what is NaN is left out, and
the tracker draws a gap.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

from gradhook._types import MISMATCH, Verdict
from gradhook.errors import OptionError
from gradhook.report import BlockReport, Report
from gradhook.report.format import block_names
from gradhook.report.story import telling_ratio

__all__ = [
    "FLOOR",
    "MAIN",
    "OVERALL",
    "RATIO",
    "WRONG",
    "Metrics",
    "block_tags",
    "log10_ratio",
    "scalars",
]

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


class Metrics:
    """Hand the numbers of each report to a function of yours.

    ``gradcheck/0 wrong blocks`` is 0 where nothing is wrong; ``gradcheck/ratio`` and
    ``gradcheck/<block>`` are log10 of the ratios: wrong above -4, right below -6.

    Args:
        log: Called as ``log({"gradcheck/ratio": -8.3, ...}, step=100)``, once a report.  Pass the
            step to the tracker for your own numbers too, and no smaller one later: Weights &
            Biases drops what comes with a step that has passed.

    Raises:
        OptionError: ``log`` cannot be called that way.

    Example:
        >>> from gradhook import Report, Verdict
        >>> from gradhook.sinks import Metrics
        >>> sink = Metrics(lambda values, step: print(step, values))
        >>> sink.write(Report(Verdict.PASS, True, {}, ratio=1e-8, step=100))
        100 {'gradcheck/0 wrong blocks': 0.0, 'gradcheck/ratio': -8.0}
    """

    def __init__(self, log: Callable[..., Any]) -> None:
        try:
            inspect.signature(log).bind({}, step=100)
        except ValueError:  # Not every built-in says how it is called.
            pass
        except TypeError as error:
            raise OptionError(
                f"log must be a function called as log(mapping, step=100), such as wandb.log: "
                f"{error}; wrap it: Metrics(lambda values, step: ...)"
            ) from None
        self._log = log
        self._next_step = 0

    def write(self, report: Report) -> None:
        """Log one report, at its step or, where it has none, at the one after the last."""
        step = self._next_step if report.step is None else int(report.step)
        self._next_step = step + 1
        known = {tag: value for tag, value in scalars(report).items() if not math.isnan(value)}
        if known:
            self._log(known, step=step)

    def close(self) -> None:
        """Do nothing: the tracker is its owner's to finish."""


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
