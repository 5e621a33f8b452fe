"""Reports as numbers for an experiment tracker: Weights & Biases, trackio, MLflow and the like.

A tracker is known here by one function, ``log(mapping, step=...)``.  The numbers are those that
TensorBoard gets; what was not judged is left out, and the tracker draws a gap.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from gradhook.errors import OptionError
from gradhook.report import Report
from gradhook.sinks.tensorboard.scalars import scalars

__all__ = ["Metrics"]


class Metrics:
    """Hand the numbers of each report to a function of yours.

    ``gradcheck/0 wrong blocks`` is 0 where nothing is wrong; ``gradcheck/ratio`` and
    ``gradcheck/<block>`` are log10 of the ratios: wrong above -4, right below -6.

    Args:
        log: Called as ``log({"gradcheck/ratio": -8.3, ...}, step=100)``, once a report.  Pass the
            step to the tracker for your own numbers too, and no smaller one later: Weights &
            Biases drops what comes with a step that has passed.

    Raises:
        OptionError: ``log`` cannot be called that way.

    Example:
        >>> from gradhook import Report, Verdict
        >>> from gradhook.sinks import Metrics
        >>> sink = Metrics(lambda values, step: print(step, values))
        >>> sink.write(Report(Verdict.PASS, True, {}, ratio=1e-8, step=100))
        100 {'gradcheck/0 wrong blocks': 0.0, 'gradcheck/ratio': -8.0}
    """

    def __init__(self, log: Callable[..., Any]) -> None:
        try:
            inspect.signature(log).bind({}, step=100)
        except ValueError:  # Not every built-in says how it is called.
            pass
        except TypeError as error:
            raise OptionError(
                f"log must be a function called as log(mapping, step=100), such as wandb.log: "
                f"{error}; wrap it: Metrics(lambda values, step: ...)"
            ) from None
        self._log = log
        self._next_step = 0

    def write(self, report: Report) -> None:
        """Log one report, at its step or, where it has none, at the one after the last."""
        step = self._next_step if report.step is None else int(report.step)
        self._next_step = step + 1
        known = {tag: value for tag, value in scalars(report).items() if not math.isnan(value)}
        if known:
            self._log(known, step=step)

    def close(self) -> None:
        """Do nothing: the tracker is its owner's to finish."""
