"""Every kind of mistake that a report can name, in the order in which the search tries them.

What the probes alone support comes first, since it costs nothing until it is put to the test; then
what needs an experiment of its own, the likeliest first.  A new kind of bug is a new class with the
four steps of ``Hypothesis``, and a line here.
"""

from gradhook.diagnosis.hypotheses import experiments, factor, penalty, row_sums, written
from gradhook.diagnosis.hypothesis import Hypothesis

__all__ = ["HYPOTHESES"]

HYPOTHESES: tuple[type[Hypothesis], ...] = (
    written.Disconnected,
    factor.SharedFactor,
    factor.MeaningfulFactor,
    written.CutToIntegers,
    written.Misplaced,
    penalty.PenaltyForm,
    factor.PlainFactor,
    written.Clipped,
    factor.FactorBesidePenalty,
    written.Unmoved,
    experiments.Dropout,
    penalty.PenaltySwitch,
    experiments.SampleWeights,
    experiments.EqualInputs,
    row_sums.OneRow,
    row_sums.BiasSum,
    experiments.RepeatedRows,
    experiments.Symmetric,
    experiments.PathAround,
)
"""What the search walks, in this order."""
