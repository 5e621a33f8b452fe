"""A block judged, and probed further while that may change what is said of it.

A ratio near a threshold gets more directions.  One probe that stands out beside others that do not
is measured again with another step: either its error was underestimated, or the others were too
coarse.
Among kinks every probe of a block that fails is measured again.  Where the user stands nothing more
is worth while, since a mismatch there is measured again off every tie.  After all blocks, a FAIL
that noise explains is taken back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gradhook._types import Tolerance, Verdict
from gradhook.evaluation.evaluator import Evaluator
from gradhook.probe.prober import Prober
from gradhook.probe.result import EarlierResults
from gradhook.probe.setting import Setting
from gradhook.verdict.evidence import BlockEvidence
from gradhook.verdict.judge import Judgement, doubt, judge

__all__ = ["Settler", "doubted"]

MOST_PROBES, AT_ONCE = 12, 3
"""Directions drawn at most where a verdict is doubtful, and how many between two looks at it."""


@dataclass(frozen=True, slots=True)
class Settler:
    """Judges blocks in one setting until their verdicts are settled.

    Args:
        evaluator: At the setting's point.
        prober: At it too.
        setting: The setting.
        tolerance: The constants of judging.
        past: What earlier settings found.
    """

    evaluator: Evaluator
    prober: Prober
    setting: Setting
    tolerance: Tolerance
    past: EarlierResults

    def settled(
        self, evidence: BlockEvidence, *, matters: float, closer: bool, granted: float
    ) -> tuple[BlockEvidence, Judgement]:
        """Judge a block, and probe it further while that may change the verdict.

        Args:
            evidence: The block's first probes.
            matters: Ratio below which a mismatch that is no FAIL is not looked into; infinite where
                none is.
            closer: Whether it may be probed further to tell a small mismatch from a warning.
            granted: Evaluations up to which small mismatches are probed further.
        """
        judgement = self._judged(evidence)
        flagged = judgement.comparison.standing_out
        fails = judgement.finding.verdict is Verdict.FAIL
        every = evidence.exact or (fails and evidence.meets_kinks)
        if every and 0 < len(flagged) <= MOST_PROBES:
            evidence = self.prober.again(evidence, flagged)
            judgement = self._judged(evidence)
        at_a_tie = self.past.like is not None and not self.setting.moves
        if at_a_tie and evidence.name not in self.past.spread:
            return evidence, judgement
        if not every and len(flagged) == 1 and self._is_open(judgement, matters, granted):
            largest = max(range(len(evidence.probes)), key=lambda k: evidence.probes[k].z)
            evidence = self.prober.again(evidence, (largest,))
            judgement = self._judged(evidence)
        while len(evidence.probes) < MOST_PROBES and (
            self._is_open(judgement, matters, granted)
            or (judgement.borderline and closer and self.prober.evaluations < granted)
        ):
            alone = len(judgement.comparison.standing_out) == 1
            count = min(AT_ONCE, MOST_PROBES - len(evidence.probes))
            evidence = self.prober.more(evidence, count, sharp=alone)
            judgement = self._judged(evidence)
        return evidence, judgement

    def _judged(self, evidence: BlockEvidence) -> Judgement:
        array = self.evaluator.workspace.arrays[evidence.name]
        return judge(
            evidence,
            self.setting.name,
            self.tolerance,
            ordinary=self.prober.ordinary / self.prober.scales[evidence.name],
            coarse=self.prober.coarse or array.dtype.itemsize < 8,
        )

    def _is_open(self, judgement: Judgement, matters: float, granted: float) -> bool:
        """Whether further probes could change a verdict that matters."""
        finding = judgement.finding
        wrong = finding.verdict is Verdict.FAIL and matters < math.inf
        if not judgement.doubtful or not (wrong or finding.ratio >= matters):
            return False
        # What is too small to warn of is judged by its shape, and needs no more certainty.
        return finding.ratio > self.tolerance.warn or self.prober.evaluations < granted


def doubted(
    prober: Prober,
    evidence: Mapping[str, BlockEvidence],
    judgements: Mapping[str, Judgement],
    past: EarlierResults,
) -> dict[str, Judgement]:
    """FAILs that noise has made which the check had not reckoned with, taken back."""
    failed = [
        name
        for name, judgement in judgements.items()
        if judgement.finding.verdict is Verdict.FAIL
        and evidence[name].probes
        and name not in past.failed
    ]
    found = {name: prober.hidden_noise(evidence[name]) for name in failed}
    noises = {name: noise.level for name, noise in found.items() if noise is not None}
    largest = max(noises.values(), default=0.0)
    for name in failed if noises else ():
        # What one block has shown to be noise explains the others too, unless they outstand it.
        if name not in noises and not prober.outstands(evidence[name], largest):
            noises[name] = largest
    return {name: doubt(judgements[name], noise) for name, noise in noises.items()}
