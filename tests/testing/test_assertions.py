"""An assertion in the style of ``numpy.testing``."""

import numpy as np
import pytest

from gradhook.errors import GradientMismatchError
from gradhook.testing.assertions import assert_gradients

W = {"w": np.array([0.3, 2.0])}


def scaled(factor):
    return lambda p, *batch: (float(np.sin(p["w"]).sum()), {"w": factor * np.cos(p["w"])})


def test_a_check_that_passed_is_returned_with_its_options():
    report = assert_gradients(scaled(1.0), W, batch=(np.ones((9, 1)),), seed=4, samples=5)
    assert report.passed
    assert (report.seed, len(report.rows)) == (4, 5)


@pytest.mark.parametrize("factor", [1.3, 1 + 1e-5, np.nan])
def test_whatever_did_not_pass_raises_with_the_report(factor):
    with pytest.raises(AssertionError) as caught:
        assert_gradients(scaled(factor), W)
    assert isinstance(caught.value, GradientMismatchError)
    assert not caught.value.report.passed
    assert str(caught.value) == str(caught.value.report)


def test_the_message_begins_with_the_users_words_and_may_be_one_line():
    with pytest.raises(AssertionError) as caught:
        assert_gradients(scaled(1.3), W, err_msg="after the refactoring", verbose=False)
    first, second = str(caught.value).splitlines()
    assert first == "after the refactoring"
    assert second.startswith("gradcheck: FAIL, w wrong; ratio 0.1")


def test_a_batch_by_position_is_told_where_it_belongs():
    with pytest.raises(TypeError, match=r"1 more was passed: write .*, batch="):
        assert_gradients(scaled(1.0), W, np.ones(3))
