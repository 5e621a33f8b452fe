"""The causes of one mismatch: every hypothesis in turn, each put to the test before it is named."""

from __future__ import annotations

from collections.abc import Sequence

from gradhook.diagnosis.hypotheses import HYPOTHESES
from gradhook.diagnosis.hypothesis import Hypothesis, name_cause
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.report import Cause

__all__ = ["diagnose"]


def diagnose(
    mismatch: Mismatch, *, keep: int = 0, among: Sequence[type[Hypothesis]] = HYPOTHESES
) -> list[Cause]:
    """The causes that survived, each of which explains blocks that no other does.

    Args:
        mismatch: The wrong blocks of one setting.
        keep: Evaluations of its budget that are left for what comes after.
        among: The hypotheses to try, in order.
    """
    causes: list[Cause] = []
    open_ = list(mismatch.blocks)
    doubted: set[str] = set()
    for family in among:
        if mismatch.budget.left < keep:
            break
        names = [n for n in open_ if not (family.by_elimination and n in doubted)]
        for hypothesis in family.propose(mismatch, names) if names else ():
            if not set(hypothesis.blocks) <= set(open_):
                continue
            refutation = hypothesis.refute(mismatch)
            if not refutation.survived:
                doubted |= set(hypothesis.blocks) if hypothesis.predict() else set()
                continue
            causes.append(name_cause(hypothesis, refutation))
            open_ = [name for name in open_ if name not in hypothesis.blocks]
    return causes
