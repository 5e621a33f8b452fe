"""An assertion for test suites that reads like ``numpy.testing``'s functions."""

from __future__ import annotations

from typing import Any, Unpack

from gradhook.check.check import check_gradients
from gradhook.errors import GradientMismatchError
from gradhook.options import BatchKeywords, shows_options
from gradhook.report import Report
from gradhook.report.text import summary

__all__ = ["assert_gradients"]


@shows_options()
def assert_gradients(
    objective: Any,
    parameters: Any = None,
    *misplaced: Any,
    batch: Any = (),
    err_msg: str = "",
    verbose: bool = True,
    **options: Unpack[BatchKeywords],
) -> Report:
    """Raise an ``AssertionError`` unless a gradient is the gradient of its loss.

    Args:
        objective: As in ``check_gradients``.
        parameters: As in ``check_gradients``.
        *misplaced: Nothing; a batch that stands here is told where it belongs.
        batch: As in ``check_gradients``.
        err_msg: Printed before the report on failure.
        verbose: Whether the error carries the whole report, or its summary alone.
        **options: As in ``check_gradients``.

    Returns:
        The report of a check that passed; FAIL, WARN and INCONCLUSIVE raise, and UNTESTED where no
        block was seen to be right.

    Raises:
        GradientMismatchError: The check did not pass; an ``AssertionError`` with the report as
            ``report``.

    Example:
        >>> import numpy as np
        >>> from gradhook.testing import assert_gradients
        >>> report = assert_gradients(lambda x: (np.sin(x).sum(), np.cos(x)), np.array([0.3, 2.0]))
        >>> assert_gradients(
        ...     lambda x: (np.sin(x).sum(), -np.cos(x)), np.array([0.3, 2.0]), verbose=False
        ... )
        Traceback (most recent call last):
            ...
        gradhook.errors.GradientMismatchError: gradcheck: FAIL, x wrong; ratio 1: ...
    """
    __tracebackhide__ = True
    report = check_gradients(objective, parameters, *misplaced, batch=batch, **options)
    if not report.passed:
        body = str(report) if verbose else summary(report)
        raise GradientMismatchError(f"{err_msg}\n{body}" if err_msg else body, report)
    return report
