"""A catalogue of gradient bugs and false alarms, to run a gradient checker against.

Who checks the checker?  One that passes everything never cries wolf, one that fails everything
never misses a bug, and both have been published.  The catalogue measures the two error rates
together:

- *Bugs.*  77 operators, each a mistake seen in public code, are planted one at a time into right
  backward passes: a bias gradient that takes the mean, a forgotten activation, a penalty that is
  missing, a cache that is stale.  They sit in perceptrons, recurrent and convolutional networks, a
  transformer block, a linear SVM and a maxout network, whose sizes, options and data are drawn from
  a seed.
- *False alarms.*  Right code in the situations in which a textbook check condemns it: kinks, ties,
  float32, dropout, converged losses, large constants.  Each has a wrong twin.
- *Truth* is not a matter of opinion: a mutant is compared with the code that it was made from.

::

    from tests import catalogue


    def checker(case):
        report = gradhook.check_gradients(
            case.objective, case.parameters, batch=case.batch, **case.check_options
        )
        return "pass" if report.passed else "fail" if report.verdict == "FAIL" else "undecided"


    print(catalogue.score(checker, catalogue.cases(range(10))))

The code reads from ``layers`` (what is right, and where each bug sits) through ``networks`` and
the ``table`` of operators to ``alarms`` and ``scoring``.
"""

from tests.catalogue.drawing import ExcludedError, case, cases, exclusions, kinds
from tests.catalogue.record import Case, Problem
from tests.catalogue.scoring import Outcome, Score, score
from tests.catalogue.table import (
    Operator,
    architectures_for,
    operator,
    operators,
)

__all__ = [
    "Case",
    "ExcludedError",
    "Operator",
    "Outcome",
    "Problem",
    "Score",
    "architectures_for",
    "case",
    "cases",
    "exclusions",
    "kinds",
    "operator",
    "operators",
    "score",
]
