"""A block judged, and probed further while that may change what is said of it.

What further measurement could change is said by ``gradhook.verdict``; here it is made.  A ratio
near a threshold gets more directions.  Probes that stand out alone, or among kinks, are measured
again with another step: their error may have been underestimated, or the others were too coarse.
Where the user stands nothing more is worth while, since a mismatch there is measured again off
every tie.  After all blocks, a FAIL that noise explains is taken back.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gradhook._types import Tolerance, Verdict
from gradhook.difference.search import DISAGREE
from gradhook.evaluation.line import Line
from gradhook.probe.again import measure_again
from gradhook.probe.block_evidence import add_probes, concluded, directions_of
from gradhook.probe.budget import FEWER_DIRECTIONS
from gradhook.probe.noise_level import hidden_noise, outstands
from gradhook.probe.prober import Prober
from gradhook.probe.result import EarlierResults
from gradhook.probe.setting import EnteredSetting
from gradhook.verdict.evidence import DIRECTIONS, BlockEvidence, Probe
from gradhook.verdict.judge import Further, Judgement, doubt, judge

__all__ = ["AdaptiveProbing"]

MOST_PROBES = 12
"""Directions drawn at most where a verdict is doubtful."""


FAR_GOAL = 0.1
"""Error wanted of probes from long steps, as a share of the one at which a check can tell right
from wrong."""


@dataclass(frozen=True, slots=True)
class AdaptiveProbing:
    """Judges blocks in one setting until no further probe could change a verdict.

    Args:
        entered: The setting.
        prober: At its point.
        tolerance: The constants of judging.
        earlier: What earlier settings found.
        thorough: Whether a mismatch is probed further; not where the user stands, until it is known
            to be there alone.
    """

    entered: EnteredSetting
    prober: Prober
    tolerance: Tolerance
    earlier: EarlierResults
    thorough: bool = True

    def judged(self, evidence: BlockEvidence) -> tuple[BlockEvidence, Judgement]:
        """Judge a block, and probe it further while that may change the verdict."""
        judgement = self.judge(evidence)
        if Further.AGAIN in judgement.further:
            evidence = measure_again(self.prober, evidence, judgement.comparison.standing_out)
            judgement = self.judge(evidence)
        known = evidence.name in self.earlier.known_wrong
        if known or not (self.thorough or evidence.name in self.earlier.dense):
            return evidence, judgement
        while Further.DIRECTIONS in judgement.further and len(evidence.probes) < MOST_PROBES:
            alone = len(judgement.comparison.standing_out) == 1
            if alone:
                worst = max(range(len(evidence.probes)), key=lambda k: evidence.probes[k].z)
                evidence = measure_again(self.prober, evidence, (worst,))
            count = min(DIRECTIONS, MOST_PROBES - len(evidence.probes))
            evidence = add_probes(self.prober, evidence, count, sharp=alone)
            judgement = self.judge(evidence)
        limited = Further.AFAR in judgement.further and math.isfinite(self.prober.noise)
        if limited and self.earlier.like is None:
            evidence = self._from_afar(evidence)
            judgement = self.judge(evidence)
        return evidence, judgement

    def _from_afar(self, evidence: BlockEvidence) -> BlockEvidence:
        """The evidence with a few probes from long steps instead, where these see further."""
        goal = FAR_GOAL * self.tolerance.fail * evidence.analytic_norm
        directions = directions_of(self.prober, evidence)
        chosen = directions if evidence.exact else directions[:FEWER_DIRECTIONS]
        probes = [self.prober.from_afar(evidence.name, v, goal) for v in chosen]
        worst = max(probe.slope.error for probe in probes)
        if not worst < max(probe.slope.error for probe in evidence.probes):
            return evidence
        return concluded(self.prober, replace(evidence, probes=tuple(probes)))

    def without_noise(
        self, evidence: Mapping[str, BlockEvidence], judgements: Mapping[str, Judgement]
    ) -> dict[str, Judgement]:
        """FAILs that noise has made which the check had not reckoned with, taken back."""
        failed = [
            name
            for name, judgement in judgements.items()
            if judgement.finding.verdict is Verdict.FAIL
            and evidence[name].probes
            and name not in self.earlier.failed
        ]
        found = {name: self._hidden_noise(evidence[name]) for name in failed}
        noises = {name: level for name, level in found.items() if level}
        largest = max(noises.values(), default=0.0)
        for name in failed if noises else ():
            # What one block has shown to be noise explains the others too, unless they outstand it.
            if name not in noises and not self._outstands(evidence[name], largest):
                noises[name] = largest
        return {name: doubt(judgements[name], noise) for name, noise in noises.items()}

    def judge(self, evidence: BlockEvidence) -> Judgement:
        """Judge a block by what was measured of it."""
        prober, name = self.prober, evidence.name
        return judge(
            evidence,
            self.entered.setting.name,
            self.tolerance,
            ordinary=prober.ordinary / prober.scales[name],
            arithmetic=prober.arithmetic(name),
        )

    def _hidden_noise(self, evidence: BlockEvidence) -> float:
        with self._largest_mismatch(evidence) as (line, probe):
            scale = self.prober.scales[evidence.name]
            return hidden_noise(self.prober, line, probe, scale=scale)

    def _outstands(self, evidence: BlockEvidence, noise: float) -> bool:
        """Whether a block's largest mismatch is beyond this noise over a long step too."""
        with self._largest_mismatch(evidence) as (line, probe):
            return outstands(line, probe, scale=self.prober.scales[evidence.name], noise=noise)

    @contextlib.contextmanager
    def _largest_mismatch(self, evidence: BlockEvidence) -> Iterator[tuple[Line, Probe]]:
        # Of the probes that stand out beyond their error: noise makes the others.
        size = [abs(p.residual) if p.z > DISAGREE else 0.0 for p in evidence.probes]
        k = max(range(len(size)), key=size.__getitem__)
        with self.prober.line(evidence.name, directions_of(self.prober, evidence)[k]) as line:
            yield line, evidence.probes[k]
