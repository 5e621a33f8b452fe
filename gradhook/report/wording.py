"""What a rendered report says first and last, in pieces that text, HTML and Markdown print.

The middle stands in ``gradhook.report.story``.  Below it is a run at a
glance: what its checks say together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradhook._types import MISMATCH, MOST_ROWS, Verdict
from gradhook.report import BlockReport, Report, story
from gradhook.report.blocks import branch_sentences
from gradhook.report.format import block_name, block_names, count, number, printable

__all__ = [
    "again",
    "asides",
    "begun",
    "fine_print",
    "headline",
    "opening",
    "outcome",
    "overall",
    "resolution",
    "shown_verdict",
    "title",
    "unjudged_sentences",
    "where_cell",
    "with_first",
]

NAMED_STEPS = 4
"""Steps and blocks that are named one by one."""


# The first line.


def opening(report: Report) -> str:
    """Return ``"gradcheck step 100"``."""
    return "gradcheck" if report.step is None else f"gradcheck step {report.step}"


def shown_verdict(report: Report) -> Verdict:
    """Return the verdict that stands in the first line: PASS wherever the check passed."""
    return Verdict.PASS if report.passed else report.verdict


def title(report: Report) -> str:
    """Return ``"gradcheck step 100: FAIL"``."""
    return f"{opening(report)}: {shown_verdict(report)}"


def headline(report: Report, *, right: bool = True) -> str:
    """Return the blocks that earned the verdict, the largest ratio, and how many are right."""
    blocks = list(report.blocks.values())
    if not blocks:
        return "no block was measured"
    shown = block_names(report.blocks, story.SHORT_NAME)
    passing = sum(block.verdict is Verdict.PASS for block in blocks)
    said = []
    for verdict in reversed(Verdict):
        alike = [block for block in blocks if block.verdict is verdict]
        if alike and verdict is not Verdict.PASS:
            reason = story.why_untested(report, alike)
            which = story.few([shown[block.name] for block in alike], story.HEADLINE_BLOCKS)
            which = f"all {len(blocks)} blocks" if len(alike) == len(blocks) > 2 else which
            said.append(f"{which} {story.OF_A_BLOCK[verdict]}" + f" ({reason})" * bool(reason))
    ratios = _largest_ratio(report, shown)
    if report.passed:
        every = count(len(blocks), "block")
        return "; ".join([f"{passing} of {every}" if said else every, *said, *ratios])
    share = f"{passing} of {len(blocks)} blocks right" if passing else "no block right"
    several = len({block.verdict for block in blocks}) > 1
    return "; ".join([", ".join(said), *ratios, *[share] * (right and several)])


def resolution(report: Report) -> str:
    """Return ``" to 4e-05 (float32)"`` where a check that passed saw no further, else nothing."""
    right = [block for block in report.blocks.values() if block.verdict is Verdict.PASS]
    if not (report.passed and right):
        return ""
    # Blocks that were probed jointly have no ratio of their own.
    reached = max(map(_reached, right)) or _reached(report)
    if reached <= report.tolerance.warn:
        return ""
    (dtype, *others) = sorted({block.dtype for block in right})
    coarse = f" ({dtype})" if not others and dtype in ("float32", "float16") else ""
    return f" to {number(reached, 1)}{coarse}"


def _reached(told: BlockReport | Report) -> float:
    return max((x for x in (told.ratio, told.ratio_error) if math.isfinite(x)), default=0.0)


def _largest_ratio(report: Report, shown: dict[str, str]) -> list[str]:
    known = [
        block
        for block in story.worst_first(report)
        if not math.isnan(block.ratio)
        and block.verdict is not Verdict.UNTESTED
        and (block.verdict is Verdict.PASS or not report.passed)
    ]
    if not known:
        return []
    # Of a check that failed, the worst among the blocks that are wrong.
    worst, alike = known[0], [block for block in known if block.verdict is known[0].verdict]
    ratio, at = story.telling_ratio(worst, report.tolerance)
    said = f"ratio {number(ratio)}"
    if len(report.blocks if report.passed else alike) > 1:
        which = "largest" if report.passed else "worst"
        said, at = f"{which} {said}", at or f" in {shown[worst.name]}"
    said += at
    if not math.isnan(report.textbook_ratio):
        said += f" (textbook {number(report.textbook_ratio)})"
    return [said]


# What else a reader must know.


def asides(report: Report) -> list[str]:
    """Return what was not judged or not seen, and what to know of how the check was made."""
    told = story.doubts(report) if report.passed else []
    right = [block for block in story.worst_first(report) if block.verdict is Verdict.PASS]
    if not resolution(report) or all(math.isnan(block.ratio) for block in right):
        told += story.grouped(report, right, story.why)
    told += story.grouped(report, right, _elsewhere)
    beside = {said for block in story.rows(report) for said in unjudged_sentences(block)}
    beside |= {block.sentence for block in report.blocks.values()}  # as of a check that raised
    notes = [note for note in (*report.coverage, *report.notes) if note not in beside]
    told += [f"note: {note}" for note in notes]
    return [printable(line) for line in told]


def _elsewhere(block: BlockReport) -> str:
    """Return what is said of a block that is right but lies on a tie, or could not be judged."""
    notes = {finding.verdict: finding.note for finding in block.findings}
    if Verdict.KINK in notes:
        return "; ".join([notes[Verdict.KINK], *branch_sentences(block.branches)[:1]])
    if Verdict.INCONCLUSIVE in notes or Verdict.UNTESTED in notes:
        return "right where it could be judged; at some weights nothing shows: report.details()"
    return ""


def unjudged_sentences(block: BlockReport) -> list[str]:
    """Return what of a block was not judged, as the report's coverage lists it."""
    if block.verdict is Verdict.UNTESTED:
        return [f"{block.name} untested: {block.sentence}"]
    said = []
    for finding in block.findings:
        if finding.verdict in (Verdict.UNTESTED, Verdict.INCONCLUSIVE, Verdict.KINK) and (
            finding.verdict is not block.verdict
        ):
            first = branch_sentences(block.branches)[: finding.verdict is Verdict.KINK]
            reason = "; ".join([finding.note, *first])
            said.append(f"{block.name} at {finding.setting}: {finding.verdict}, {reason}")
    return said


# The fine print.


def fine_print(report: Report) -> list[str]:
    """Return what the ratios mean where one is wrong, then how much was measured at what cost."""
    return [*[story.ratio_meaning(report)] * (report.verdict in MISMATCH), _cost(report)]


def _cost(report: Report) -> str:
    cost = []
    if report.rows is not None:
        of = "" if report.batch_rows is None else f" of {report.batch_rows}"
        cost.append(f"{len(report.rows)}{of} rows")
        if report.whole_batch and report.batch_rows is not None:
            some = report.batch_rows > MOST_ROWS
            cost[-1] += f", then {MOST_ROWS} of them" if some else f", then all {report.batch_rows}"
            cost[-1] += " once"
    elif report.batch_rows is not None:
        cost.append(f"all {count(report.batch_rows, 'row')}")
    cost.append(count(report.evaluations, "loss evaluation"))
    if not math.isnan(report.seconds):
        cost.append(f"{report.seconds:.2g} s")
    if report.effort != "standard":
        cost.append(f"{report.effort} effort")
    return ", ".join(cost)


def again(report: Report) -> str:
    """Return the call that repeats a check that did not pass."""
    return "" if report.passed else printable(report.call)


def where_cell(report: Report, block: BlockReport) -> str:
    """Return the wrong part of a block, where the story does not tell it."""
    told = block in story.open_blocks(report) and not report.boundary
    return "" if told or block.verdict not in MISMATCH else printable(block.where or "")


# A run.


def overall(reports: Sequence[Report]) -> Verdict:
    """Return the verdict of a run: the worst of its checks, PASS where all passed."""
    return max((shown_verdict(report) for report in reports), key=lambda verdict: verdict.severity)


def outcome(reports: Sequence[Report]) -> str:
    """Return how many checks passed, and which did not."""
    made = count(len(reports), "check")
    wrong = [report for report in reports if not report.passed]
    if not wrong:
        return f"{made}, all passed" if len(reports) > 1 else f"{made}, passed"
    said = []
    for verdict in reversed(Verdict):
        alike = [report for report in wrong if report.verdict is verdict]
        if alike:
            steps = [str(report.step) for report in alike if report.step is not None]
            at = (
                f" at step{'s' * (len(steps) > 1)} {story.few(steps, NAMED_STEPS)}" if steps else ""
            )
            names = dict.fromkeys(
                block_name(block.name, 24)
                for report in alike
                for block in report.blocks.values()
                if block.verdict is verdict
            )
            said.append(
                f"{verdict}{at}" + f" ({story.few(list(names), NAMED_STEPS)})" * bool(names)
            )
    passed = len(reports) - len(wrong)
    which = "none passed" if not passed else f"{len(wrong)} did not pass"
    return f"{made}, {which if len(reports) > 1 else 'did not pass'}: {'; '.join(said)}"


def begun(first: Report | None, due: int | None) -> str:
    """Return what is said once when a run is checked: that it is, and when the next check comes."""
    now = [] if first is None else [f"{shown_verdict(first)} at step {first.step}"]
    then = "no further check is due" if due is None else f"next at step {due}"
    return f"gradhook checks the gradients of this run: {', '.join([*now, then])}"


def with_first(reports: Sequence[Report]) -> list[tuple[Report, Report | None]]:
    """Return each check with the earlier one, told before it, that failed in the same way."""
    told: Report | None = None
    pairs: list[tuple[Report, Report | None]] = []
    for report in reports:
        same = not report.passed and story.same_story(told, report)
        pairs.append((report, told if same else None))
        if not report.passed and not same:
            told = report
    return pairs
