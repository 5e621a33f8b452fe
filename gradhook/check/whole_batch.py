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
from dataclasses import dataclass, replace

import numpy as np

from gradhook._types import MISMATCH, Batch, Verdict
from gradhook.check.further_settings import untested_blocks
from gradhook.check.record import CheckRecord
from gradhook.errors import GradhookError
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.batch import draw, upcast
from gradhook.objective.parameters import map_leaves
from gradhook.options import Options
from gradhook.probe.block_evidence import joint_analytic_error
from gradhook.probe.measure import enter, is_noise, measure, probe_jointly
from gradhook.probe.prober import Budget, Prober
from gradhook.probe.setting import EarlierResults, EnteredSetting, SettingResult, outside_domain
from gradhook.report import Finding
from gradhook.verdict.evidence import BlockEvidence
from gradhook.verdict.judge import combine, judge

__all__ = ["WholeBatch", "merged"]

MOST_ROWS = 4096
"""Rows that may stand for a larger batch in the joint probe."""

JOINT_PROBE = 16
"""Loss evaluations that the joint probe may take, the gradients and the noise beside them."""


TAKEN_BACK = 10.0
"""How much smaller what is left on the whole batch is than a mismatch that it takes back."""


@dataclass(frozen=True, slots=True)
class WholeBatch:
    """The batch that so many rows were drawn from, of ``total``; 0 where that is not known."""

    evaluator: Evaluator
    options: Options
    batch: Batch
    rows: int
    total: int

    def every_row(self) -> Batch:
        """The whole batch, as the functions get it: a copy where they write to it."""
        batch = upcast(self.batch)
        if not self.evaluator.batch_written:
            return batch
        return tuple(map_leaves(item, copy.copy) for item in batch)

    def agrees(self, main: SettingResult, coverage: list[str]) -> bool | None:
        """Whether one joint probe on the whole batch says of the blocks what the rows said.

        A second one asks those that the rows call right, where others are wrong.  ``None`` where
        the batch cannot be asked.
        """
        entered = self._entered(main, most=MOST_ROWS)
        why = "the functions raise, or give NaN, on the whole batch at the point that was checked"
        verdict, why = self._asked(entered, main) if entered else (None, why)
        if entered is None or verdict is None:
            coverage.append(
                f"the whole batch could not be held against the {self.rows} rows drawn from it: "
                f"{why}"
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
        right = judged.keys() - wrong.keys()
        verdict, why = self._asked(entered, main, right) if right else (None, "")
        coverage += [f"{', '.join(n for n in judged if n in right)}: {why}"] if why else []
        return verdict not in MISMATCH

    def untested(self, measured: list[SettingResult]) -> SettingResult | None:
        """Measure blocks that the rows leave UNTESTED on the whole batch; ``None`` if none is."""
        main = measured[0]
        names = untested_blocks(main)
        entered = self._entered(main) if names else None
        if entered is None:
            return None
        earlier = EarlierResults.of(measured)
        there = measure(entered, self.options, names=names, earlier=earlier)
        # What is left open by the whole batch as well is said already.
        return there.judged_only()

    def _entered(self, main: SettingResult, most: int | None = None) -> EnteredSetting | None:
        batch = self.every_row()
        if most is not None:
            random = np.random.default_rng([self.options.seed, most])
            axis, subset = self.options.sample_axis, self.options.subset
            try:
                batch = draw(batch, samples=most, axis=axis, subset=subset, random=random).batch
            except Exception:  # a function of the user's that cuts rows another way
                batch = self.every_row()
        setting = replace(main.setting, name=f"{main.setting.name}, whole batch", batch=batch)
        entered = enter(self.evaluator, setting, seed=self.options.seed + 303)
        if entered is None or outside_domain(entered.loss, entered.gradients):
            return None
        return entered

    def _asked(
        self, entered: EnteredSetting, main: SettingResult, names: Collection[str] | None = None
    ) -> tuple[Verdict | None, str]:
        """PASS, WARN or FAIL of some blocks together, ``None`` where neither was seen; and why."""
        like, method, most = main.prober, self.options.method, self.evaluator.evaluations
        prober = Prober(entered, method=method, like=like, most=most)
        budget = Budget(lambda: self.evaluator.evaluations, JOINT_PROBE)
        try:
            joint, _ = probe_jointly(prober, budget, names)
        except GradhookError as error:
            return None, str(error)
        if not math.isfinite(joint.probes[0].slope.value):
            return None, "the loss is not finite a small step away"
        said = self._judged(joint, entered, prober)
        if said.verdict in MISMATCH:
            rounded = replace(joint, analytic_error=joint_analytic_error(prober, names))
            said = self._judged(rounded, entered, prober)
        if said.verdict in MISMATCH:
            if is_noise(prober, joint.probes[0], names):
                return None, "over a longer step the slope is another one (noise?)"
            return said.verdict, ""
        if said.verdict is not Verdict.PASS:
            return None, said.note
        coarse = said.ratio_error > self.options.tolerance.fail
        how_far = (
            f"the rows beside the {self.rows} drawn were looked at together, to "
            f"{said.ratio_error:.0e} only"
        )
        return said.verdict, how_far if coarse else ""

    def _judged(self, evidence: BlockEvidence, entered: EnteredSetting, prober: Prober) -> Finding:
        return judge(
            evidence,
            entered.setting.name,
            self.options.tolerance,
            ordinary=prober.ordinary,
            arithmetic=prober.arithmetic(),
        ).finding


def merged(rows: CheckRecord, every: CheckRecord, whole: WholeBatch) -> CheckRecord:
    """What a check on every row says; blocks that it cannot judge keep what the rows said."""
    count, of = whole.rows, f" of {whole.total}" if whole.total else ""
    taken_back, found = [], []
    for name in whole.evaluator.workspace.names:
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
    every.findings = rows.findings
    every.whole_batch = True
    return every


def _is_sharper(rows: CheckRecord, every: CheckRecord, name: str) -> bool:
    """Whether a PASS on every row excludes the mismatch that the rows have resolved.

    In coarse arithmetic a gradient is right only as far as was seen.
    """
    before, now = (combine(record.findings_of(name)) for record in (rows, every))
    return TAKEN_BACK * max(now.ratio, now.ratio_error) < before.ratio
