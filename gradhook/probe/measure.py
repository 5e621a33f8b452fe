"""How a setting is measured and judged: every block probed, more where its verdict is doubtful.

What comes of it is kept with its prober, because later settings, a search inside a block and
diagnosis all go on from there.  A check that passes keeps to its budget; mismatches are looked into
whatever that costs.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradhook._types import MISMATCH, Array
from gradhook.evaluation.evaluator import Evaluator
from gradhook.options import Options
from gradhook.probe.adaptive import AdaptiveProbing
from gradhook.probe.analytic_rounding import with_analytic_error
from gradhook.probe.block_evidence import gather
from gradhook.probe.budget import FEWER_DIRECTIONS, UNLIMITED, Budget
from gradhook.probe.elements import measure_elements
from gradhook.probe.prober import Prober
from gradhook.probe.result import EarlierResults, SettingResult
from gradhook.probe.setting import EnteredSetting, Setting, outside_domain
from gradhook.probe.small_mismatch import judge_small
from gradhook.verdict.evidence import DIRECTIONS, BlockEvidence, Probe
from gradhook.verdict.judge import Judgement

__all__ = ["enter", "measure"]

TEXTBOOK_EPS = 1e-7
"""The epsilon of the plain textbook check."""


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

    Args:
        entered: The setting, with loss and gradients there.
        options: The check's options.
        budget: What it may cost as long as nothing stands out.
        earlier: What earlier settings found; of the main one at most the loss at another point.
        names: Blocks to probe, along one direction each unless they are confirmed; by default all,
            along 3 at the main setting and 2 at further ones.
        confirm: Whether mismatches at the current point are probed as thoroughly as elsewhere.
    """
    earlier = earlier or EarlierResults()
    evaluator, tolerance = entered.evaluator, options.tolerance
    exhaustive = options.effort == "exhaustive"
    like, elsewhere = earlier.like, earlier.elsewhere
    prober = Prober(entered, method=options.method, like=like, elsewhere=elsewhere)
    probes = FEWER_DIRECTIONS if like else DIRECTIONS
    if names is not None and not confirm:
        probes = 1
    names = list(evaluator.workspace.names if names is None else names)
    thorough = confirm or like is None or bool(entered.setting.moves)
    adaptive = AdaptiveProbing(entered, prober, tolerance, earlier, thorough)
    evidence: dict[str, BlockEvidence] = {}
    judgements: dict[str, Judgement] = {}
    elements: dict[str, list[Probe]] = {}
    plain: dict[str, Array] = {}
    if exhaustive:
        eps = None if entered.setting.moves else TEXTBOOK_EPS
        elements, plain = measure_elements(prober, names, eps=eps, workers=options.workers)
    limited = not exhaustive and options.method is None
    for index, name in enumerate(names):
        share = budget.share(len(names) - index) if limited else UNLIMITED
        known = elements.get(name)
        measured = gather(prober, name, probes=probes, budget=share, elements=known)
        evidence[name], judgements[name] = adaptive.judged(measured)
    if entered.setting.moves:  # ties look like noise; mismatches at them are measured again
        mismatch = [n for n, j in judgements.items() if j.finding.verdict in MISMATCH]
        if any(evidence[name].probes for name in mismatch):
            evidence = with_analytic_error(prober, evidence)
            judgements |= {name: adaptive.judge(evidence[name]) for name in mismatch}
    if entered.setting.moves or confirm:
        judgements |= adaptive.without_noise(evidence, judgements)
    judgements |= judge_small(prober, evidence, judgements, tolerance=tolerance, earlier=earlier)
    result = SettingResult(entered.setting, prober, entered.gradients, evidence, judgements, plain)
    return result if exhaustive else result.lightened()


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
