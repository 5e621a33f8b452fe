"""How a setting is measured and judged: every block probed, more where its verdict is doubtful.

What further measurement could change is said by ``gradhook.verdict``; here it is made.  A ratio
near a threshold gets more directions.  Probes that stand out alone, or among kinks, are measured
again with another step: their error may have been underestimated, or the others were too coarse.
Where the user stands nothing more is worth while, since a mismatch there is measured again off
every tie.  Where a long step shows noise that was not reckoned with, doubtful blocks are measured
anew with it, and what it explains even then is taken back.

What comes of it is kept with its prober, because later settings, a search inside a block and
diagnosis all go on from there.  A check that passes keeps to its budget; mismatches are looked into
whatever that costs.

Quick effort asks for one direction over all blocks at once, along which every block moves by its
own scale, so that none drowns because its gradient is small in other units.  A block whose share of
the analytic slope is below the probe's error could be wrong unseen and is UNTESTED; the others pass
*jointly*, and their own ratio is unknown.  Where the joint probe disagrees, blocks are probed one
by one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from gradhook._types import MISMATCH, Array, Tolerance, Verdict
from gradhook.difference.search import DISAGREE, pair
from gradhook.evaluation.evaluator import Evaluator
from gradhook.options import Options
from gradhook.probe.block_evidence import (
    concluded,
    direction_of,
    directions_of,
    gather,
    hidden_noise,
    measure_again,
    with_analytic_error,
)
from gradhook.probe.elements import measure_elements
from gradhook.probe.prober import FEWER_DIRECTIONS, UNLIMITED, Budget, LineParts, Prober
from gradhook.probe.setting import (
    EarlierResults,
    EnteredSetting,
    Setting,
    SettingResult,
    outside_domain,
)
from gradhook.probe.small_mismatch import judge_small
from gradhook.probe.steps import JOINT
from gradhook.report import Finding
from gradhook.verdict.evidence import DIRECTIONS, BlockEvidence, Probe, compare
from gradhook.verdict.judge import Further, Judgement, doubt, judge

QUICK = 24
"""Evaluations that a passing check of quick effort may make."""

TEXTBOOK_EPS = 1e-7
"""The epsilon of the plain textbook check."""

MOST_PROBES = 12
"""Directions drawn at most where a verdict is doubtful."""

NOISIER = 2
"""How often blocks are measured anew, with noise that was not reckoned with before."""

FAR_GOAL = 0.1
"""Error wanted of probes from long steps, as a share of the one at which a check can tell right
from wrong."""


def measure(
    entered: EnteredSetting,
    options: Options,
    *,
    budget: Budget = UNLIMITED,
    earlier: EarlierResults | None = None,
    names: Sequence[str] | None = None,
    confirm: bool = False,
) -> SettingResult:
    """Probe and judge every block, or those named, in one setting.

    All are probed along 3 directions at the main setting and 2 at further ones, those named along
    one each, unless they are to be confirmed: then mismatches at the current point are probed as
    thoroughly as elsewhere.  The budget counts as long as nothing stands out, and ``earlier`` is
    what earlier settings found: of the main one at most the loss at another point.
    """
    earlier = earlier or EarlierResults()
    exhaustive, moved = options.effort == "exhaustive", bool(entered.setting.moves)
    like = earlier.like
    prober = Prober(entered, method=options.method, like=like, elsewhere=earlier.elsewhere)
    count = FEWER_DIRECTIONS if like else DIRECTIONS
    probing = _AdaptiveProbing(
        entered,
        prober,
        options.tolerance,
        earlier,
        probes=1 if names is not None and not confirm else count,
        budget=UNLIMITED if exhaustive or options.method else budget,
        thorough=confirm or like is None or moved,
    )
    names = list(entered.evaluator.workspace.names if names is None else names)
    plain: dict[str, Array] = {}
    if exhaustive:
        eps = None if moved else TEXTBOOK_EPS
        probing.elements, plain = measure_elements(prober, names, eps=eps, workers=options.workers)
    probing.probe(names)
    if moved or confirm:
        probing.probe_with_hidden_noise(names)
    prober, evidence, judgements = probing.prober, probing.evidence, probing.judgements
    tolerance = options.tolerance
    judgements |= judge_small(prober, evidence, judgements, tolerance=tolerance, earlier=earlier)
    result = SettingResult(entered.setting, prober, entered.gradients, evidence, judgements, plain)
    return result if exhaustive else result.lightened()


def measure_quickly(
    entered: EnteredSetting, options: Options, *, elsewhere: float
) -> SettingResult:
    """Judge all blocks by one joint probe; one by one where it shows a mismatch, or too little.

    ``elsewhere`` is the loss at another point.
    """
    evaluator, setting, tolerance = entered.evaluator, entered.setting, options.tolerance
    most = QUICK - evaluator.evaluations - 2  # a pair must be left
    prober = Prober(entered, method=options.method, elsewhere=elsewhere, most=most)
    one_by_one = EarlierResults(prober)
    if not all(map(math.isfinite, prober.norms.values())):
        return measure(entered, options, earlier=one_by_one)
    budget = Budget(lambda: evaluator.evaluations, QUICK - evaluator.evaluations)
    joint, shares = probe_jointly(prober, budget)
    slope = joint.probes[0].slope
    together = _judge(prober, joint, setting.name, tolerance)
    if together.finding.verdict is not Verdict.PASS:
        return measure(entered, options, earlier=one_by_one)
    judgements, evidence = {}, {}
    for name, gradient in entered.gradients.items():
        seen = abs(shares.get(name, 0.0)) > slope.error
        norm = prober.norms[name]
        evidence[name] = BlockEvidence(name, gradient.size, norm, prober.scales[name])
        note = "right jointly with the other blocks"
        finding = Finding(
            setting.name,
            Verdict.PASS if seen else Verdict.UNTESTED,
            analytic_norm=norm,
            probes=1,
            kinks=int(slope.kink),
            note=note if seen else "its share of the joint slope is below the probe's error",
        )
        judgements[name] = Judgement(finding, compare(evidence[name], tolerance))
    whole = together.comparison
    return SettingResult(setting, prober, entered.gradients, evidence, judgements, joint=whole)


def probe_jointly(
    prober: Prober, budget: Budget, names: Collection[str] | None = None
) -> tuple[BlockEvidence, dict[str, float]]:
    """Probe along one direction over all blocks, or those named, each at its own scale.

    Takes at least a pair of evaluations, whatever the budget.  Returns the one probe, in units of
    loss per unit of all scales, as evidence of one block that is ``s_b·a_b`` of all of them, and
    the analytic share ``⟨a_b, v_b⟩·s_b`` of each.
    """
    gradients, parts = prober.gradients, _parts(prober, names)
    scales = {name: scale for name, _, scale in parts}
    shares = {n: s * v.dot(gradients[n]) for n, v, s in parts}
    with prober.line(*parts) as line:
        if budget.left < 4:  # the noise was dear to measure
            step = prober.steps.step(JOINT, sharp=True)
            slope = pair(line, prober.loss, step, prober.noise)
        else:
            slope = prober.sharp(line, JOINT, budget, least=1)
    probe = Probe(math.fsum(shares.values()), slope)
    # Along a joint direction the norms are those of the blocks in units of their scales.
    size = math.hypot(*(scale * prober.norms[name] for name, scale in scales.items()))
    count = sum(gradients[name].size for name in scales)
    rounding = prober.evaluator.rounding
    error = math.hypot(*(scale * rounding.get(name, 0.0) for name, scale in scales.items()))
    return BlockEvidence(JOINT, count, size, 1.0, (probe,), analytic_error=error), shares


def is_noise(prober: Prober, probe: Probe, names: Collection[str] | None = None) -> bool:
    """Whether a joint mismatch is noise that was not reckoned with: a longer step takes it back."""
    return hidden_noise(prober, _parts(prober, names), probe) > 0


def _parts(prober: Prober, names: Collection[str] | None) -> LineParts:
    return [
        (name, direction_of(prober, name, 0), scale)
        for name, scale in prober.scales.items()
        if prober.gradients[name].size and (names is None or name in names)
    ]


def enter(evaluator: Evaluator, setting: Setting, *, seed: int) -> EnteredSetting | None:
    """Enter a setting and call the functions there; ``None`` outside the domain."""
    setting.enter(evaluator)
    try:
        loss, gradients = evaluator.loss_and_gradients()
    except Exception:  # outside the domain, or rows that the loss does not take
        return None
    if outside_domain(loss):
        return None
    return EnteredSetting(evaluator, setting, seed, loss, gradients)


def _judge(
    prober: Prober, evidence: BlockEvidence, setting: str, tolerance: Tolerance
) -> Judgement:
    """Judge a block by what was measured of it, or all together in units of their scales."""
    ordinary = prober.ordinary / evidence.scale
    arithmetic = prober.arithmetic(None if evidence.name == JOINT else evidence.name)
    return judge(evidence, setting, tolerance, ordinary=ordinary, arithmetic=arithmetic)


@dataclass(slots=True, eq=False)
class _AdaptiveProbing:
    """Probes and judges blocks in one setting until no further probe could change a verdict.

    A mismatch is probed further where it is looked at thoroughly: not where the user stands, until
    it is known to be there alone.
    """

    entered: EnteredSetting
    prober: Prober
    tolerance: Tolerance
    earlier: EarlierResults
    probes: int
    budget: Budget
    thorough: bool
    elements: dict[str, list[Probe]] = field(default_factory=dict)
    evidence: dict[str, BlockEvidence] = field(default_factory=dict)
    judgements: dict[str, Judgement] = field(default_factory=dict)

    def probe(self, names: Sequence[str]) -> None:
        """Probe and judge blocks one after the other, each with its share of the budget."""
        for index, name in enumerate(names):
            share, known = self.budget.share(len(names) - index), self.elements.get(name)
            measured = gather(self.prober, name, probes=self.probes, budget=share, elements=known)
            self.evidence[name], self.judgements[name] = self._judged(measured)
        if self.entered.setting.moves:  # ties look like noise; mismatches at them come again
            mismatch = [n for n, j in self.judgements.items() if j.finding.verdict in MISMATCH]
            if any(self.evidence[name].probes for name in mismatch):
                self.evidence.update(with_analytic_error(self.prober, self.evidence))
                self.judgements.update({n: self._judge(self.evidence[n]) for n in mismatch})

    def probe_with_hidden_noise(self, names: Sequence[str]) -> None:
        """Probe doubtful blocks anew with noise not reckoned with; take back what it explains."""
        for _ in range(0 if self.elements else NOISIER):
            noises = self._hidden_noises()
            if not noises:
                return
            self.prober = self.prober.noisier(max(noises.values()))
            self.probe([name for name in names if self.judgements[name].is_doubtful])
        for name, noise in self._hidden_noises().items():
            self.judgements[name] = doubt(self.judgements[name], noise)

    def _judge(self, evidence: BlockEvidence) -> Judgement:
        return _judge(self.prober, evidence, self.entered.setting.name, self.tolerance)

    def _judged(self, evidence: BlockEvidence) -> tuple[BlockEvidence, Judgement]:
        """Judge a block, and probe it further while that may change the verdict."""
        judgement = self._judge(evidence)
        if Further.AGAIN in judgement.further:
            evidence = measure_again(self.prober, evidence, judgement.comparison.standing_out)
            judgement = self._judge(evidence)
        known = evidence.name in self.earlier.known_wrong
        if known or not (self.thorough or evidence.name in self.earlier.dense):
            return evidence, judgement
        while Further.DIRECTIONS in judgement.further and len(evidence.probes) < MOST_PROBES:
            alone = len(judgement.comparison.standing_out) == 1
            if alone:
                worst = max(range(len(evidence.probes)), key=lambda k: evidence.probes[k].z)
                evidence = measure_again(self.prober, evidence, (worst,))
            name, made = evidence.name, len(evidence.probes)
            further = range(made, min(made + DIRECTIONS, MOST_PROBES))
            directions = (direction_of(self.prober, name, k) for k in further)
            fresh = [self.prober.probe(name, v, sharp=alone) for v in directions]
            probes = (*evidence.probes, *fresh)
            evidence = concluded(self.prober, replace(evidence, probes=probes))
            judgement = self._judge(evidence)
        limited = Further.AFAR in judgement.further and math.isfinite(self.prober.noise)
        if limited and self.earlier.like is None:
            evidence = self._from_afar(evidence)
            judgement = self._judge(evidence)
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

    def _hidden_noises(self) -> dict[str, float]:
        """The noise that has made mismatches, per block, which the check had not reckoned with."""
        found = {}
        for name, judgement in self.judgements.items():
            evidence = self.evidence[name]
            if judgement.is_doubtful and evidence.probes and name not in self.earlier.failed:
                # Of the probes that stand out beyond their error: noise makes the others.
                size = [abs(p.residual) if p.z > DISAGREE else 0.0 for p in evidence.probes]
                if not any(size):
                    size = [p.slope.error for p in evidence.probes]
                k = max(range(len(size)), key=size.__getitem__)
                parts = [(name, directions_of(self.prober, evidence)[k], 1.0)]
                found[name] = hidden_noise(self.prober, parts, evidence.probes[k])
        return {name: level for name, level in found.items() if level}
