"""The whole batch has the last word on what a few rows said.

Few rows cross few kinks, but a rare label, a ragged last micro-batch or a pair of rows may be none
of them; and an objective that uses something of the whole batch (a constant 1/n, precomputed sums,
a parameter for each row) cannot be cut to a few rows at all.  One joint probe of all blocks on all
rows tells.  Where it agrees with the rows, nothing more is done.  Where it does not, the check is
made again on every row, and what that resolves counts, block by block.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from gradhook._types import MISMATCH, MOST_ROWS, Batch, Verdict
from gradhook.check.record import CheckRecord
from gradhook.errors import GradhookError
from gradhook.objective.batch import draw, upcast
from gradhook.objective.parameters import map_leaves
from gradhook.probe.block_evidence import joint_analytic_error
from gradhook.probe.measure import is_noise, probe_jointly
from gradhook.probe.prober import Budget, Prober
from gradhook.probe.setting import EnteredSetting
from gradhook.report import Finding
from gradhook.verdict.evidence import BlockEvidence
from gradhook.verdict.judge import combine, judge

JOINT_PROBE = 16
"""Loss evaluations that the joint probe may take, the gradients and the noise beside them."""

TAKEN_BACK = 10.0
"""How much smaller what is left on the whole batch is than a mismatch that it takes back."""


def every_row(record: CheckRecord) -> Batch:
    """The whole batch, as the functions get it: a copy where they write to it."""
    batch = upcast(record.whole)
    if not record.evaluator.batch_written:
        return batch
    return tuple(map_leaves(item, copy.copy) for item in batch)


def agrees(record: CheckRecord) -> bool | None:
    """Whether one joint probe on the whole batch says of the blocks what the rows said.

    A second one asks those that the rows call right, where others are wrong.  ``None`` where the
    batch cannot be asked.
    """
    main, coverage = record.measured[0], record.coverage
    entered = _entered(record, _most_rows(record))
    why = "the functions raise, or give NaN, on the whole batch at the point that was checked"
    verdict, why = _asked(record, entered) if entered else (None, why)
    if entered is None or verdict is None:
        coverage.append(
            f"the whole batch could not be held against the {record.rows.count} rows drawn from "
            f"it: {why}"
        )
        return None
    coverage += [why] if why else []
    judged = {name: j.finding.verdict for name, j in main.judgements.items()}
    wrong = {name: said for name, said in judged.items() if said in MISMATCH}
    if (verdict in MISMATCH) != bool(wrong):
        return False
    if not wrong:
        return True
    if all(verdict.severity > said.severity for said in wrong.values()):
        return False
    right = [name for name in judged if name not in wrong]
    verdict, why = _asked(record, entered, right) if right else (None, "")
    coverage += [f"{', '.join(right)}: {why}"] if why else []
    return verdict not in MISMATCH


def enter_every_row(record: CheckRecord) -> EnteredSetting | None:
    """The main setting on the whole batch; ``None`` where nothing is told there."""
    return _entered(record, every_row(record))


def _entered(record: CheckRecord, batch: Batch) -> EnteredSetting | None:
    main = record.measured[0].setting
    setting = replace(main, name=f"{main.name}, whole batch", batch=batch)
    return record.enter_finite(setting, seed=record.options.seed + 303)


def _most_rows(record: CheckRecord) -> Batch:
    """The whole batch, or some of it where it is large."""
    batch, options = every_row(record), record.options
    random = np.random.default_rng([options.seed, MOST_ROWS])
    axis, subset = options.sample_axis, options.subset
    try:
        return draw(batch, samples=MOST_ROWS, axis=axis, subset=subset, random=random).batch
    except Exception:  # a function of the user's that cuts rows another way
        return every_row(record)


def _asked(
    record: CheckRecord, entered: EnteredSetting, names: Collection[str] | None = None
) -> tuple[Verdict | None, str]:
    """PASS, WARN or FAIL of some blocks together, ``None`` where neither was seen; and why."""
    evaluator, options = record.evaluator, record.options
    like, most = record.measured[0].prober, evaluator.evaluations
    prober = Prober(entered, method=options.method, like=like, most=most)
    budget = Budget(lambda: evaluator.evaluations, JOINT_PROBE)
    try:
        joint, _ = probe_jointly(prober, budget, names)
    except GradhookError as error:
        return None, str(error)
    if not math.isfinite(joint.probes[0].slope.value):
        return None, "the loss is not finite a small step away"

    def judged(evidence: BlockEvidence) -> Finding:
        return judge(
            evidence,
            entered.setting.name,
            options.tolerance,
            ordinary=prober.ordinary,
            arithmetic=prober.arithmetic(),
        ).finding

    said = judged(joint)
    if said.verdict in MISMATCH:
        said = judged(replace(joint, analytic_error=joint_analytic_error(prober, names)))
    if said.verdict in MISMATCH:
        if is_noise(prober, joint.probes[0], names):
            return None, "over a longer step the slope is another one (noise?)"
        return said.verdict, ""
    if said.verdict is not Verdict.PASS:
        return None, said.note
    coarse = said.ratio_error > options.tolerance.fail
    how_far = (
        f"the rows beside the {record.rows.count} drawn were looked at together, to "
        f"{said.ratio_error:.0e} only"
    )
    return said.verdict, how_far if coarse else ""


def merged(rows: CheckRecord, every: CheckRecord) -> CheckRecord:
    """What a check on every row says; blocks that it cannot judge keep what the rows said."""
    count, total = every.rows.count, every.rows.total
    taken_back, found = [], []
    for name in every.evaluator.workspace.names:
        before, now, why = rows.verdict_of(name), every.verdict_of(name), ""
        if now is Verdict.INCONCLUSIVE and before is not now:
            why = f"the whole batch is too coarse to judge it; judged on {count} rows"
        elif before in MISMATCH and now is Verdict.PASS and not _is_sharper(rows, every, name):
            why = f"wrong on {count} rows; the whole batch is seen too coarsely to take that back"
        elif before in MISMATCH and now not in MISMATCH:
            taken_back.append(name)
        elif now in MISMATCH and before not in MISMATCH:
            found.append(name)
        if why:
            every.kept[name] = rows.findings_of(name)
            every.notes.append(f"{name}: {why}")
    if taken_back:
        of = f" of {total}" if total else ""
        every.notes.append(
            f"{', '.join(taken_back)}: right on the whole batch{of}, wrong on {count} rows of it: "
            "the objective uses something of the whole batch (a constant 1/n, precomputed sums, a "
            "parameter per row), or mistakes of rows add up to nothing there; pass samples=None to "
            "check on every row from the start"
        )
    if found:
        every.notes.append(
            f"{', '.join(found)}: right on the {count} rows drawn first, wrong on the whole batch: "
            "the mistake is made on other rows, or on several together"
        )
    return every


def _is_sharper(rows: CheckRecord, every: CheckRecord, name: str) -> bool:
    """Whether a PASS on every row excludes the mismatch that the rows have resolved.

    In coarse arithmetic a gradient is right only as far as was seen.
    """
    before, now = (combine(record.findings_of(name)) for record in (rows, every))
    return TAKEN_BACK * max(now.ratio, now.ratio_error) < before.ratio
