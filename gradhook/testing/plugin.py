"""A pytest plugin: the fixture ``gradcheck`` checks a gradient in a test.

    def test_my_gradients(gradcheck):
        gradcheck(loss_and_gradients, parameters, batch=(X, y))

It takes what ``gradhook.testing.assert_gradients`` takes and returns the report of a check that
passed.  One that did not fails the test with the report alone: no frame of gradhook's is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradhook.report import Report

__all__ = ["gradcheck"]


@pytest.fixture
def gradcheck() -> Callable[..., Report]:
    """Check a gradient: ``gradcheck(objective, parameters, batch=(X, y))``, or fail with a report.

    Takes what ``gradhook.testing.assert_gradients`` takes; returns the report of a check that
    passed.
    """
    return _assert_gradients


def _assert_gradients(*arguments: Any, **options: Any) -> Report:
    __tracebackhide__ = True
    from gradhook.errors import GradhookError
    from gradhook.testing import assert_gradients

    try:
        return assert_gradients(*arguments, **options)
    except GradhookError as error:
        # What gradhook says needs no frames of its own; what the user's code raises keeps all.
        raise error.with_traceback(None) from None
