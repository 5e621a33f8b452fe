"""What a rendered report says of one block: its ratio, why it has its verdict, and where.

A note that says no more than the verdict beside it is left out, and settings that all found the
same share one line.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gradhook._branch import branch_sentences
from gradhook._format import block_name, count, number, printable, ratio, told_apart
from gradhook._types import Verdict

if TYPE_CHECKING:
    from gradhook.report import BlockReport, Element, Finding

__all__ = ["details", "ratio_cell", "remarks"]

PLAIN = (
    "analytic and numerical gradient agree",
    "analytic and numerical gradient disagree",
    "analytic and numerical gradient differ slightly",
)
"""Notes that say no more than the verdict; left out where the verdict stands beside them."""


def ratio_cell(block: BlockReport) -> str:
    """Return a block's ratio with its error; a dash where nothing was there to have a ratio."""
    if block.verdict is Verdict.UNTESTED:
        return number(math.nan)
    return ratio(block.ratio, block.ratio_error)


def details(block: BlockReport) -> list[str]:
    """Return what is said below a block's line: why, where, and what each setting found."""
    said = remarks(block)
    if block.where and block.where not in block.sentence:
        said.append(f"where: {block.where}")
    passed = block.verdict is Verdict.PASS
    if block.worst is not None and block.verdict is not Verdict.UNTESTED:
        said.append(_furthest(block.worst) if passed else _worst_element(block, block.worst))
    several = len(block.findings) > 1
    if not passed and any(several or f.kinks or _news(f, block) for f in block.findings):
        said += _by_setting(block)
    return [printable(line) for line in said]


def remarks(block: BlockReport) -> list[str]:
    """Return why a block has its verdict, nothing where that says no more than the verdict."""
    if block.verdict is not Verdict.PASS:
        said = [block.sentence, *branch_sentences(block.branches, "branches: ")]
        return [printable(line) for line in said if line]
    # What a setting could not judge stands in the coverage.
    judged = [finding.note for finding in block.findings if finding.verdict is Verdict.PASS]
    said = [line for line in dict.fromkeys([block.sentence, *judged]) if line not in PLAIN]
    return [printable(line) for line in said if line]


def _worst_element(block: BlockReport, element: Element) -> str:
    place = block_name(block.name, 40) + f"[{', '.join(str(i) for i in element.index)}]" * bool(
        element.index
    )
    analytic, numerical = told_apart(element.analytic, element.numerical)
    error = f" ± {number(element.error, 1)}" if element.error > 0 else ""
    return f"worst element {place}: analytic {analytic}, numerical {numerical}{error}"


def _furthest(element: Element) -> str:
    apart = number(abs(element.analytic - element.numerical))
    return f"worst [{', '.join(map(str, element.index))}] by {apart}"


def _by_setting(block: BlockReport) -> list[str]:
    """Return what each setting found; one line where all found the same."""
    findings = block.findings
    alike = {finding.verdict for finding in findings} == {block.verdict}
    if alike and not any(f.kinks or _news(f, block) for f in findings):
        ratios = [f.ratio for f in findings if not math.isnan(f.ratio)]
        known = bool(ratios) and block.verdict is not Verdict.UNTESTED
        ends = dict.fromkeys(number(pick(ratios)) for pick in (min, max)) if known else ()
        span = f", ratio {' to '.join(ends)}" if ends else ""
        which = "both" if len(findings) == 2 else f"all {len(findings)}"
        return [f"{block.verdict} in {which} settings{span}"]
    return [_finding(finding, block) for finding in findings]


def _finding(finding: Finding, block: BlockReport) -> str:
    said = [f"{finding.setting}: {finding.verdict}"]
    if not math.isnan(finding.ratio) and finding.verdict is not Verdict.UNTESTED:
        said.append(f"ratio {ratio(finding.ratio, finding.ratio_error)}")
    if finding.kinks:
        said.append(f"{finding.kinks} of {count(finding.probes, 'probe')} met a kink")
    news = _news(finding, block)
    return ", ".join(said) + (f"; {news}" if news else "")


def _news(finding: Finding, block: BlockReport) -> str:
    """Return a finding's note where neither its verdict nor the block's sentence says it."""
    return "" if finding.note in PLAIN or finding.note in block.sentence else finding.note
