"""Every error and warning that gradhook raises.

This module imports nothing of the package, so that any other may raise from it.  Each class is both
a ``GradhookError`` and the standard exception that describes the same mistake, so that code which
knows nothing of gradhook still catches it by its usual name.
"""

from __future__ import annotations

import os
import sys
import warnings

__all__ = [
    "BatchError",
    "GradCheckWarning",
    "GradhookError",
    "GradientMismatchError",
    "GradientNameError",
    "GradientShapeError",
    "HookCallError",
    "InternalError",
    "LossTypeError",
    "NestedCheckError",
    "NonFiniteLossError",
    "ObjectiveError",
    "OptionError",
    "ParameterError",
    "ParameterTypeError",
    "RestoreError",
    "UnreadParametersError",
    "warn",
]


class GradhookError(Exception):
    """Base of everything that gradhook raises."""


class GradCheckWarning(UserWarning):
    """A check did not pass, a sink was dropped, or gradhook itself had a fault while observing."""


class GradientMismatchError(GradhookError, AssertionError):
    """The gradient is not the gradient of the loss.

    Attributes:
        report: The ``Report`` of the check that failed, or ``None`` where the error was raised
            without one.
    """

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class UnreadParametersError(GradhookError, ValueError):
    """The loss does not change by a bit when the parameters move: it does not read them."""


class NonFiniteLossError(GradhookError, ArithmeticError):
    """A loss was NaN or infinite where a derivative was to be measured."""


class HookCallError(GradhookError, TypeError):
    """A hook was called as hooks of other libraries are."""


class InternalError(GradhookError, RuntimeError):
    """A fault of gradhook's own; everything has been put back, and the cause is chained."""


class LossTypeError(GradhookError, TypeError):
    """What the loss function returned is not one real number."""


class ParameterError(GradhookError, ValueError):
    """The parameters cannot be checked: names clash, values are not finite, arrays read-only."""


class ParameterTypeError(GradhookError, TypeError):
    """A parameter is not an array of real floating-point numbers."""


class GradientNameError(GradhookError, KeyError):
    """The gradients carry other names than the parameters, or lack some."""

    def __str__(self) -> str:  # KeyError would print the repr of the message.
        return str(self.args[0]) if self.args else ""


class GradientShapeError(GradhookError, ValueError):
    """A gradient has another shape than its parameter, or is not an array of real numbers."""


class ObjectiveError(GradhookError, TypeError):
    """What was given as the objective is none of the forms known, or fits two of them."""


class BatchError(GradhookError, ValueError):
    """The batch is empty, or holds nothing that can be subset along the axis named."""


class OptionError(GradhookError, ValueError):
    """An option has a value that gradhook does not know."""


class RestoreError(GradhookError, RuntimeError):
    """Something that a check touched could not be put back to the bit."""


class NestedCheckError(GradhookError, RuntimeError):
    """A check was started from inside a check of the same objective."""


PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
"""Folder of the package: what a frame's file begins with where it is not the user's."""


def warn(message: str) -> None:
    """Issue a ``GradCheckWarning`` at the innermost frame outside the package."""
    level = 1
    frame = sys._getframe(0)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
        level += 1
    warnings.warn(message, GradCheckWarning, stacklevel=level)
