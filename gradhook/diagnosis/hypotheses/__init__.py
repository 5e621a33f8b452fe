"""Every kind of mistake that a report can name, in the order in which the search tries them.

What the probes alone support comes first, since it costs nothing until it is put to the test; then
what needs an experiment of its own, the likeliest first.  A new kind of bug is a new class with the
four steps of ``Hypothesis``, and a line here.
"""

from gradhook.diagnosis.hypotheses.experiments import (
    Dropout,
    EqualInputs,
    PathAround,
    RepeatedRows,
    SampleWeights,
    Symmetric,
)
from gradhook.diagnosis.hypotheses.factor import (
    FactorBesidePenalty,
    MeaningfulFactor,
    PlainFactor,
    SharedFactor,
)
from gradhook.diagnosis.hypotheses.penalty import PenaltyForm, PenaltySwitch
from gradhook.diagnosis.hypotheses.row_sums import BiasSum, OneRow
from gradhook.diagnosis.hypotheses.written import Clipped, CutToIntegers, Disconnected, Misplaced
from gradhook.diagnosis.hypothesis import Hypothesis

__all__ = ["HYPOTHESES"]

HYPOTHESES: tuple[type[Hypothesis], ...] = (
    Disconnected,
    SharedFactor,
    MeaningfulFactor,
    CutToIntegers,
    Misplaced,
    PenaltyForm,
    PlainFactor,
    Clipped,
    FactorBesidePenalty,
    Dropout,
    PenaltySwitch,
    SampleWeights,
    EqualInputs,
    OneRow,
    BiasSum,
    RepeatedRows,
    Symmetric,
    PathAround,
)
"""What the search walks, in this order."""
