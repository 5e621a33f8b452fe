"""How a setting is measured and judged: every block probed, more where its verdict is doubtful.

What comes of it is kept with its prober, because later settings, a search inside a block and
diagnosis all go on from there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from gradhook._evaluate import Evaluator
from gradhook._options import Options
from gradhook._parameters import all_finite
from gradhook._small import judge_small
from gradhook._switchboard import Setting
from gradhook._types import Array, Blocks, Verdict
from gradhook._workers import distributor
from gradhook.probe.blocks import Prober
from gradhook.probe.elements import measure_elements
from gradhook.probe.evidence import BlockEvidence
from gradhook.probe.noise import Noise
from gradhook.probe.sanity import is_large
from gradhook.report import Finding
from gradhook.verdict.compare import Comparison
from gradhook.verdict.judge import Judgement, judge

__all__ = ["Measured", "measure", "outside_domain"]

MOST_PROBES = 12
"""Directions drawn at most where a ratio is near a threshold."""

TEXTBOOK_EPS = 1e-7
"""The epsilon of the plain textbook check."""

PROBES = {"main": 3, "further": 2}
"""Directions per block at the main setting and at each further one."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one setting said.

    Args:
        setting: The setting.
        prober: The prober that measured it, for later probes and as a first guess elsewhere.
        gradients: The analytic gradients there; empty where nothing was wrong and they are too
            large to be kept.
        evidence: Per block.
        judgements: Per block.
        textbook: The plain textbook derivative per block, where asked for.
        joint: The comparison along one direction over all blocks, where that is all that was
            measured.
        retried: Some of the blocks a step away on either side, where that is what judged them.
    """

    setting: Setting
    prober: Prober
    gradients: Blocks
    evidence: dict[str, BlockEvidence]
    judgements: dict[str, Judgement]
    textbook: dict[str, Array] = field(default_factory=dict)
    joint: Comparison | None = None
    retried: tuple[Measured, ...] = ()

    @property
    def findings(self) -> dict[str, Finding]:
        """The records for the report, per block."""
        return {name: judgement.finding for name, judgement in self.judgements.items()}

    @property
    def wrong(self) -> list[str]:
        """Blocks that fail, or of which a search found the wrong part."""
        return [
            name
            for name, judgement in self.judgements.items()
            if judgement.location or judgement.finding.verdict is Verdict.FAIL
        ]

    def comparisons(self) -> list[Comparison]:
        """The comparisons of the blocks that could be judged, or the joint one."""
        if self.joint is not None:
            return [self.joint]
        return [
            j.comparison
            for name, j in self.judgements.items()
            if j.finding.verdict in ("PASS", "WARN", "FAIL") and not self.evidence[name].spoiled
        ]

    def shows_wrong(self, name: str) -> bool:
        """Whether a block is wrong here, as far as it was not measured again beside this point."""
        judgement = self.judgements.get(name)
        return (
            judgement is not None
            and judgement.finding.verdict in (Verdict.FAIL, Verdict.WARN)
            and bool(self.evidence[name].probes)
            and name in self.gradients
            and not self.evidence[name].spoiled
            and not any(name in away.judgements for away in self.retried)
        )

    def lightened(self) -> Measured:
        """The same without its gradients, if they are large and no block needs another look."""
        if any(j.suspect for j in self.judgements.values()) or not is_large(self.gradients):
            return self
        self.prober.forget_gradients()
        return replace(self, gradients={})

    def judged_anew(self, judgements: Mapping[str, Judgement]) -> Measured:
        """The same with some judgements replaced."""
        return replace(self, judgements={**self.judgements, **judgements})


def measure(
    evaluator: Evaluator,
    setting: Setting,
    options: Options,
    *,
    seed: int,
    loss: float,
    gradients: Blocks,
    like: Prober | None = None,
    names: list[str] | None = None,
    probes: int | None = None,
    textbook: bool = False,
    elsewhere: float = math.nan,
    known: Collection[str] = (),
) -> Measured:
    """Probe and judge every block, or those named, in one setting.

    Args:
        evaluator: Already at the setting's point, with its switches turned.
        setting: The setting.
        options: The check's options.
        seed: Seed of the directions.
        loss: The loss there.
        gradients: The analytic gradients there.
        like: The prober of the main setting; ``None`` if this is it.
        names: Blocks to probe; all by default.
        probes: Directions per block; by default 3 at the main setting and 2 at further ones.
        textbook: Whether to add the plain textbook derivative.
        elsewhere: The loss at another point.
        known: Blocks that an earlier setting found wrong, so that none needs a closer look.
    """
    exhaustive = options.effort == "exhaustive"
    prober = Prober(
        evaluator,
        loss=loss,
        gradients=gradients,
        seed=seed,
        method=options.method,
        like=like,
        elsewhere=elsewhere,
    )
    names = evaluator.workspace.names if names is None else names
    probes = PROBES["further" if like else "main"] if probes is None else probes
    # Mismatches below this ratio are looked into once, at the main setting.
    least = options.tolerance.warn if like else 0.0
    matters = {name: math.inf if name in known else least for name in names}
    evidence: dict[str, BlockEvidence] = {}
    judgements: dict[str, Judgement] = {}
    plain: dict[str, Array] = {}

    def probe_all() -> None:
        if exhaustive:
            plain.update(
                measure_elements(
                    prober,
                    names,
                    eps=TEXTBOOK_EPS if textbook else None,
                    distribute=distributor(options.workers, evaluator),
                )
            )
        for name in names:
            found = prober.block(name, probes=probes, exhaustive=exhaustive)
            evidence[name], judgements[name] = _settled(
                found, prober, setting, options, evaluator, matters[name]
            )

    probe_all()
    # At the current point ties may look so; its mismatches are measured again a step away.
    doubtful = [name for name in names if name not in known] if setting.moves else []
    noise = _hidden_noise(prober, [evidence[name] for name in doubtful], judgements)
    if noise is not None:
        prober.coarsen(noise)
        probe_all()
    small = {
        name: judgement
        for name, judgement in judgements.items()
        if judgement.small and judgement.finding.ratio >= matters[name]
    }
    judgements |= judge_small(
        prober,
        evidence,
        small,
        gradients=gradients,
        values=lambda name: evaluator.workspace.arrays[name],
        tolerance=options.tolerance,
        seed=seed + 11,
    )
    measured = Measured(setting, prober, gradients, evidence, judgements, plain)
    return measured if exhaustive else measured.lightened()


def _settled(
    evidence: BlockEvidence,
    prober: Prober,
    setting: Setting,
    options: Options,
    evaluator: Evaluator,
    matters: float,
) -> tuple[BlockEvidence, Judgement]:
    """Judge a block, and probe it further while that may change the verdict."""

    def judged() -> Judgement:
        return judge(
            evidence,
            setting.name,
            options.tolerance,
            ordinary=prober.ordinary / prober.scales[evidence.name],
            coarse=prober.coarse or evaluator.workspace.arrays[evidence.name].dtype.itemsize < 8,
        )

    verdict = judged()
    flagged = verdict.comparison.standing_out
    if evidence.exact and 0 < len(flagged) <= MOST_PROBES:
        evidence = prober.again(evidence, flagged)
        verdict = judged()
    while (
        verdict.doubtful and verdict.finding.ratio >= matters and len(evidence.probes) < MOST_PROBES
    ):
        # One probe that stands out beside coarser ones that do not: sharp ones tell.
        alone = len(verdict.comparison.standing_out) == 1
        evidence = prober.more(evidence, min(3, MOST_PROBES - len(evidence.probes)), sharp=alone)
        verdict = judged()
    return evidence, verdict


def _hidden_noise(
    prober: Prober, evidence: Iterable[BlockEvidence], judgements: Mapping[str, Judgement]
) -> Noise | None:
    """Noise that has made a FAIL, where a block's slopes over longer steps acquit it."""
    for found in evidence:
        if judgements[found.name].finding.verdict is Verdict.FAIL and found.probes:
            noise = prober.hidden_noise(found)
            if noise is not None:
                return noise
    return None


def outside_domain(loss: float, gradients: Blocks | None = None) -> bool:
    """Whether a loss, or any gradient, is NaN or infinite."""
    return not math.isfinite(loss) or any(
        not all_finite(gradient) for gradient in (gradients or {}).values()
    )
