"""A run at a glance: what its checks say together, in words."""

from __future__ import annotations

from collections.abc import Sequence

from gradhook._types import Verdict
from gradhook.report import Report
from gradhook.report.format import block_name, count
from gradhook.report.rows import few
from gradhook.report.story import same_story
from gradhook.report.wording import shown_verdict

__all__ = ["begun", "outcome", "overall", "with_first"]

NAMED_STEPS = 4
"""Steps and blocks that are named one by one."""


def overall(reports: Sequence[Report]) -> Verdict:
    """Return the verdict of a run: the worst of its checks, PASS where all passed."""
    return max((shown_verdict(report) for report in reports), key=lambda verdict: verdict.severity)


def outcome(reports: Sequence[Report]) -> str:
    """Return how many checks passed, and which did not.

    Example:
        >>> from gradhook import Report, Verdict
        >>> from gradhook.report.overview import outcome
        >>> outcome([Report(Verdict.PASS, True, {}, step=step) for step in (0, 100)])
        '2 checks, all passed'
        >>> outcome([Report(Verdict.FAIL, False, {}, step=step) for step in (0, 100)])
        '2 checks, none passed: FAIL at steps 0, 100'
    """
    made = count(len(reports), "check")
    wrong = [report for report in reports if not report.passed]
    if not wrong:
        return f"{made}, all passed" if len(reports) > 1 else f"{made}, passed"
    said = []
    for verdict in reversed(Verdict):
        alike = [report for report in wrong if report.verdict is verdict]
        if alike:
            steps = [str(report.step) for report in alike if report.step is not None]
            at = f" at step{'s' * (len(steps) > 1)} {few(steps, NAMED_STEPS)}" if steps else ""
            names = dict.fromkeys(
                block_name(block.name, 24)
                for report in alike
                for block in report.blocks.values()
                if block.verdict is verdict
            )
            said.append(f"{verdict}{at}" + f" ({few(list(names), NAMED_STEPS)})" * bool(names))
    passed = len(reports) - len(wrong)
    which = "none passed" if not passed else f"{len(wrong)} did not pass"
    return f"{made}, {which if len(reports) > 1 else 'did not pass'}: {'; '.join(said)}"


def begun(first: Report | None, due: int | None) -> str:
    """Return what is said once when a run is checked: that it is, and when the next check comes.

    Args:
        first: The first check, where nothing else tells how it ended.
        due: The step at which the next is due, ``None`` if none is.

    Example:
        >>> from gradhook import Report, Verdict
        >>> from gradhook.report.overview import begun
        >>> begun(Report(Verdict.PASS, True, {}, step=0), 100)
        'gradhook checks the gradients of this run: PASS at step 0, next at step 100'
    """
    now = [] if first is None else [f"{shown_verdict(first)} at step {first.step}"]
    then = "no further check is due" if due is None else f"next at step {due}"
    return f"gradhook checks the gradients of this run: {', '.join([*now, then])}"


def with_first(reports: Sequence[Report]) -> list[tuple[Report, Report | None]]:
    """Return each check with the earlier one, told before it, that failed in the same way."""
    told: Report | None = None
    pairs: list[tuple[Report, Report | None]] = []
    for report in reports:
        same = not report.passed and told is not None and same_story(told, report)
        pairs.append((report, told if same else None))
        if not report.passed and not same:
            told = report
    return pairs
