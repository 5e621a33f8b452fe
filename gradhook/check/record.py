"""One check: what it is made with, what it has found so far, and the report that is made of it.

The record goes from one part of a check to the next, and each adds what it finds.  In the end the
findings are combined, and nothing is evaluated any more.  What was not exercised is said next to
"passed", in words: a gradient can be right at the point and on the rows looked at and wrong
elsewhere, and some such blind spots can be read off the data.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gradhook._types import MISMATCH, Array, Batch, Blocks, Box, Verdict
from gradhook.diagnosis import Explanation
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import generic
from gradhook.objective.batch import Rows, passed_whole
from gradhook.objective.parameters import Tree
from gradhook.objective.switches import BoundSwitch
from gradhook.options import POINTS, Options
from gradhook.probe.measure import enter
from gradhook.probe.prober import Budget
from gradhook.probe.setting import (
    EnteredSetting,
    Setting,
    SettingResult,
    outside_domain,
    switch_states,
)
from gradhook.report import BlockReport, Cause, Element, Finding, Report
from gradhook.report.blocks import Branch
from gradhook.report.wording import unjudged_sentences
from gradhook.verdict.evidence import BlockEvidence, Location, Norms, Probe, compare_all, describe
from gradhook.verdict.judge import combine, overall, passes

WORTH_SAYING = 0.25
"""Share of a block's slices that must be without gradient."""


class UnusableRowsError(Exception):
    """Nothing can be seen on the rows drawn; handled by the check, never seen by users."""


Randomness = Literal["", "kept", "drawn", "unreachable", "gradients"]
"""Why two calls in a row gave different losses: by what the loss keeps, and by generators that can
be put back, or that cannot; empty where they did not.  ``gradients`` alone may draw."""


@dataclass(slots=True)
class CheckRecord:
    """What a check is made with, and what it has found."""

    evaluator: Evaluator
    options: Options
    rows: Rows  # those that are checked
    whole: Batch  # the batch that they were drawn from
    switches: Sequence[BoundSwitch]  # those that the user named
    free: Sequence[BoundSwitch]  # those that the user did not name, for experiments
    is_part: bool  # whether other rows may do where these show nothing
    # What settings may cost together as long as nothing stands out, from now on.
    budget: Budget = field(init=False)
    loss: float = math.nan  # at the current point
    gradients: Blocks = field(default_factory=dict)  # there; empty if too large to be kept
    norms: dict[str, float] = field(default_factory=dict)  # ``‖a‖`` there, maybe not finite
    randomness: Randomness = ""
    # Loss alone minus loss returned with the gradients, 0 if they agree to rounding.
    disagreement: float = 0.0
    # Blocks whose gradient depends on what was called before, whether the second was twice the
    # first, and the ratio of the change.
    changed: dict[str, tuple[bool, float]] = field(default_factory=dict)
    measured: list[SettingResult] = field(default_factory=list)  # the main one first
    coverage: list[str] = field(default_factory=list)  # what was not exercised
    unjudged: str = ""  # why no setting could be measured
    # Per doubted block, operations that decide differently on the two sides of a probe.
    branches: dict[str, tuple[Branch, ...]] = field(default_factory=dict)
    explanation: Explanation = field(default_factory=Explanation)
    # What other rows said of blocks that could not be judged on these.
    kept: dict[str, list[Finding]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what a reader must know before the verdict
    whole_batch: bool = False  # whether the whole batch was asked, and could tell

    def __post_init__(self) -> None:
        blocks = len(self.evaluator.workspace.names)
        self.budget = Budget.of_check(lambda: self.evaluator.evaluations, blocks)

    @property
    def is_quick(self) -> bool:
        """Whether one joint direction must do."""
        return self.options.effort == "quick"

    @property
    def dropouts(self) -> list[BoundSwitch]:
        """The switches of dropout."""
        return [switch for switch in self.switches if switch.role == "dropout"]

    def wants(self, point: str) -> bool:
        """Whether a point was asked for, by its name in ``points=``."""
        return point in (self.options.points or POINTS)

    def generic_moves(self) -> dict[str, Move]:
        """Where the generic point lies."""
        arrays, options = self.evaluator.workspace.arrays, self.options
        return generic(arrays, fixed=options.fixed, seed=options.seed)

    def setting(self, name: str, moves: Mapping[str, Move]) -> Setting:
        """A point on the evaluator's rows, with dropout off and penalties on."""
        return Setting(name, moves, self.evaluator.batch, switch_states(self.switches))

    def enter_finite(self, setting: Setting, *, seed: int) -> EnteredSetting | None:
        """Enter a setting; ``None`` where loss or gradients raise there, or are not finite."""
        entered = enter(self.evaluator, setting, seed=seed)
        if entered is None or outside_domain(entered.loss, entered.gradients):
            return None
        return entered

    def findings_of(self, name: str) -> list[Finding]:
        """What every setting said of a block."""
        if name in self.kept:
            return self.kept[name]
        findings = [m.findings[name] for m in self.measured if name in m.findings]
        findings += self.findings_of_calls(name)
        return findings or [Finding("current point", Verdict.INCONCLUSIVE, note=self.unjudged)]

    def findings_of_calls(self, name: str) -> list[Finding]:
        """What is to be said of a block whose gradient changed from call to call."""
        if name not in self.changed:
            return []
        twice, ratio = self.changed[name]
        note = "called at the same point after another call, it returns another gradient"
        if twice:
            note = "called again at the same point it returns twice the gradient"
        return [Finding("called twice", Verdict.FAIL, ratio=ratio, ratio_error=0.0, note=note)]

    def verdict_of(self, name: str) -> Verdict:
        """What all settings together say of a block."""
        return combine(self.findings_of(name)).verdict

    def gradients_of(self, name: str) -> list[Array]:
        """The gradients of a block in the settings that judged it; empty if one is gone."""
        judged = [m.gradients for m in self.measured if name in m.judgements]
        kept = all(name in gradients for gradients in judged)
        return [gradients[name] for gradients in judged] if kept else []


def assemble(record: CheckRecord, tree: Tree, causes: Iterable[Cause]) -> Report:
    """Build the report, but for what the check cost and how it was called.

    ``causes`` are those that were seen before anything was measured.
    """
    options, rows = record.options, record.rows
    order = dict.fromkeys([*(options.layers or ()), *tree.blocks])
    blocks = {name: _block(name, tree.blocks[name], record) for name in order}
    verdicts = [block.verdict for block in blocks.values()]
    verdict = overall(verdicts)
    ratio, error = _overall_ratio(record)
    return Report(
        verdict=verdict,
        passed=passes(verdict, verdicts),
        blocks=blocks,
        ratio=ratio,
        ratio_error=error,
        causes=(*causes, *record.explanation.causes),
        boundary=record.explanation.boundary,
        notes=tuple(record.notes),
        coverage=(*record.coverage, *_unexercised(blocks, record)),
        settings=tuple(measured.setting.name for measured in record.measured),
        loss=record.loss,
        seed=options.seed,
        effort=options.effort,
        tolerance=options.tolerance,
        rows=rows.rows,
        batch_rows=rows.total,
        whole_batch=record.whole_batch,
        textbook_ratio=_textbook_ratio(record.measured),
    )


def _block(name: str, leaf: Any, record: CheckRecord) -> BlockReport:
    array = np.asarray(leaf)
    findings = record.findings_of(name)
    decisive = combine(findings)
    measured = next((m for m in record.measured if m.setting.name == decisive.setting), None)
    evidence = measured.evidence.get(name) if measured else None
    gradient = measured.gradients.get(name) if measured else None
    location = record.explanation.locations.get(name)
    part = measured.judgements[name].location if measured else None
    others = [m for m in record.measured if name in m.evidence and m.shows_wrong(name)]
    told = [m for m in (measured, *others) if m is not None and name in m.evidence]
    worst = (_worst(m.evidence[name], array.shape, location, m.setting.name) for m in told)
    untested = decisive.verdict is Verdict.UNTESTED
    idle = idle_part(record.gradients_of(name)) if untested else ""
    return BlockReport(
        name,
        array.shape,
        str(array.dtype),
        decisive.verdict,
        ratio=decisive.ratio,
        ratio_error=decisive.ratio_error,
        sentence=decisive.note + (f" ({idle} have zero gradient)" if idle else ""),
        worst=next(filter(None, worst), None),
        where=record.explanation.where.get(name) or (describe(part) if part else None),
        findings=tuple(findings),
        setting=decisive.setting,
        textbook_ratio=_textbook_ratio(record.measured, name),
        branches=record.branches.get(name, ()),
        relative_errors=_relative_errors(evidence, gradient)
        if evidence and gradient is not None
        else None,
        wrong_parts=_wrong_parts(record.explanation, name),
    )


def _worst(
    evidence: BlockEvidence, shape: tuple[int, ...], location: Location | None, setting: str
) -> Element | None:
    """The element that is furthest off, of all or of those that a search has measured."""
    elements: Mapping[tuple[int, ...], Probe] = {}
    if evidence.exact:
        elements = dict(zip(np.ndindex(shape), evidence.probes, strict=False))
    if not elements and location is not None:
        elements, setting = location.elements, location.setting
    if not elements:
        return None
    where, probe = max(elements.items(), key=lambda item: abs(item[1].residual))
    return Element(where, probe.analytic, probe.slope.value, probe.slope.error, setting)


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
    return np.where(size > error, np.abs(gradient - numerical) / size, np.nan)


def _overall_ratio(record: CheckRecord) -> tuple[float, float]:
    ratios = [compare_all(measured.comparisons()) for measured in record.measured]
    spoiled = [m.findings[n] for m in record.measured for n, e in m.evidence.items() if e.spoiled]
    names = record.evaluator.workspace.names
    findings = [*map(record.findings_of_calls, names), *record.kept.values(), spoiled]
    again = [f for each in findings for f in each if f.verdict in MISMATCH or f in spoiled]
    ratios += [(finding.ratio, finding.ratio_error) for finding in again]
    known = [pair for pair in ratios if not math.isnan(pair[0])]
    return max(known, default=(math.nan, math.nan))


def _textbook_ratio(measured: list[SettingResult], *names: str) -> float:
    """The plain textbook's number, of these blocks or of all, where it was asked for."""
    for each in measured:
        if chosen := [name for name in each.textbook if not names or name in names]:
            analytic = np.concatenate([each.gradients[name].ravel() for name in chosen])
            numerical = np.concatenate([each.textbook[name].ravel() for name in chosen])
            norms = map(np.linalg.norm, (analytic - numerical, analytic, numerical))
            return Norms(*map(float, norms)).ratio
    return math.nan


def _unexercised(blocks: Mapping[str, BlockReport], record: CheckRecord) -> list[str]:
    """Sentences on the blocks, settings and units that could not be judged, and on these rows."""
    rows = record.rows
    where = "here" if rows.rows is None else "on these rows of data"
    sentences = []
    for name, block in blocks.items():
        sentences += unjudged_sentences(block)
        idle = idle_part(record.gradients_of(name)) if block.verdict is Verdict.PASS else ""
        if idle:
            dead = " (dead units?)" * idle.endswith("elements")
            sentences.append(f"{name}: {idle} have zero gradient {where}{dead}, untested")
    if rows.count == 1:
        sentences.append("one sample: a sum and a mean over the batch cannot be told apart")
    return sentences + _unrepeated(record)


def _unrepeated(record: CheckRecord) -> list[str]:
    """Embeddings of which no row is used twice, so that ``dE[idx] += g`` would go unnoticed."""
    sentences = []
    for item in record.rows.batch:
        if not (isinstance(item, np.ndarray) and item.dtype.kind in "iu" and item.size > 1):
            continue
        used, times = np.unique(item, return_counts=True)
        for name, gradient in record.gradients.items():
            touched = np.flatnonzero(gradient.any(axis=tuple(range(1, gradient.ndim))))
            # Rows with a gradient are exactly those that the indices name: an embedding.
            embeds = gradient.ndim >= 2 and np.array_equal(touched, used)
            if embeds and len(touched) < len(gradient) and times.max() == 1:
                sentences.append(
                    f"no index repeats in these rows: adding up gradients of equal rows of {name} "
                    "was not exercised"
                )
    return sentences


def idle_part(gradients: Sequence[Array]) -> str:
    """Slices along the first or the last axis whose gradient is zero to the bit, wherever measured.

    Of the axis with the larger share, as ``"12 of 20 rows"``; empty below ``WORTH_SAYING``.
    """
    if not gradients or gradients[0].ndim == 0 or gradients[0].size == 0:
        return ""
    ndim = gradients[0].ndim
    found = []
    for axis in sorted({0, ndim - 1}):
        others = tuple(other for other in range(ndim) if other != axis)
        zero = np.logical_and.reduce([~g.any(axis=others) for g in gradients])
        found.append((zero.mean(), f"{zero.sum()} of {zero.size} {_name(axis, ndim)}"))
    share, said = max(found, key=lambda idle: idle[0])
    return said if share >= WORTH_SAYING else ""


def _name(axis: int, ndim: int) -> str:
    if ndim == 1:
        return "elements"
    if ndim == 2:
        return "rows" if axis == 0 else "columns"
    return f"slices along the {'last' if axis else 'first'} axis"


def remarks(record: CheckRecord) -> list[str]:
    """What a reader must know before the verdict."""
    evaluator, raised = record.evaluator, []
    if error := evaluator.user_error:
        what = textwrap.shorten(f"{type(error).__name__}: {error}", 100, placeholder=" …")
        raised.append(
            f"away from where you stand the objective raised {what}; taken for the end of its "
            "domain"
        )
    return [
        *record.notes,
        *_on_repeating(record),
        *evaluator.workspace.tree.notes,
        *filter(None, [evaluator.name_rule, passed_whole(record.rows, record.whole)]),
        *raised,
        *evaluator.guard.notes,
    ]


def _on_repeating(record: CheckRecord) -> list[str]:
    """Whether the loss was the same number each time."""
    notes = []
    off = [repr(switch.name) for switch in record.dropouts]
    if record.randomness == "kept":
        notes.append(
            "the loss changes from call to call with state that it keeps: checked with that state "
            "put back each time"
        )
    elif record.randomness == "drawn" and off:
        notes.append(
            f"the loss is random although {', '.join(off)} {'was' if len(off) == 1 else 'were'} "
            "turned off: something else draws from a generator, or the switch does nothing; "
            "checked with what is drawn frozen"
        )
    elif record.randomness == "drawn":
        alike = (repr(switch.name) for switch in record.free if switch.role == "dropout")
        notes.append(
            "the loss is random (dropout on?): checked with its mask frozen; to check without, "
            f"pass dropout={next(alike, 'the name of the switch that turns it off')}"
        )
    elif record.randomness == "gradients":
        notes.append(
            "the gradients draw random numbers and the loss does not: is one in training mode "
            "(dropout on) and the other not? Pass a loss in the mode of the gradients"
        )
    if record.disagreement:
        notes.append(
            "the loss alone and the loss returned with the gradients differ by "
            f"{record.disagreement:.1e}: are both in the same mode (training or evaluation)?"
        )
    return notes
