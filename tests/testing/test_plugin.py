"""The pytest plugin, seen from a test suite that uses it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytest_plugins = ["pytester"]

FUNCTIONS = """
    import numpy as np

    X = np.arange(20.0).reshape(10, 2)
    start = {"w": np.array([0.1, -0.2])}

    def right(parameters, X):
        residual = X @ parameters["w"] - 1
        return 0.5 * np.mean(residual**2), {"w": X.T @ residual / len(X)}

    def wrong(parameters, X):
        loss, gradients = right(parameters, X)
        return loss, {"w": -gradients["w"]}

    def broken(parameters, X):
        raise RuntimeError("the user's own fault")
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    """Run a test module with the plugin, whether or not gradhook is installed here."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(test, *arguments):
        pytester.makepyfile(FUNCTIONS + test)
        return pytester.runpytest("-p", "gradhook.testing.plugin", *arguments)

    return run


def test_the_fixture_returns_the_report_of_a_check_that_passed(suite):
    result = suite(
        """
    def test_gradients(gradcheck):
        report = gradcheck(right, start, batch=(X,))
        assert report.passed and report.blocks["w"].ratio < 1e-6
    """
    )
    result.assert_outcomes(passed=1)


def test_a_wrong_gradient_fails_the_test_with_the_report_and_none_of_our_frames(suite):
    result = suite(
        """
    def test_gradients(gradcheck):
        gradcheck(wrong, start, batch=(X,), err_msg="after the refactoring")
    """
    )
    result.assert_outcomes(failed=1)
    said = result.stdout.str()
    assert "after the refactoring" in said
    assert "gradcheck: FAIL, w wrong; ratio 1" in said
    assert "see it again" in said
    assert ">       gradcheck(wrong, start, batch=(X,), err_msg=" in said
    for frame in (
        "assertions.py",
        "plugin.py",
        "check_gradients(objective",
        "def _assert_gradients",
    ):
        assert frame not in said


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ("effort='huge'", "OptionError: effort must be one of"),
        ("efort='quick'", "TypeError: unknown option 'efort'; did you mean 'effort'?"),
    ],
)
def test_what_cannot_be_checked_is_said_without_our_frames(suite, option, error):
    result = suite(
        f"""
    def test_gradients(gradcheck):
        gradcheck(right, start, batch=(X,), {option})
    """
    )
    result.assert_outcomes(failed=1)
    said = result.stdout.str()
    assert error in said
    assert "options.py" not in said
    assert "plugin.py" not in said


def test_an_exception_of_the_users_own_keeps_its_frames(suite):
    result = suite(
        """
    def test_gradients(gradcheck):
        gradcheck(broken, start, batch=(X,))
    """
    )
    result.assert_outcomes(failed=1)
    assert "the user's own fault" in result.stdout.str()
    assert ">       raise RuntimeError" in result.stdout.str()


def test_the_fixture_is_listed_with_what_it_does(suite):
    result = suite("", "--fixtures")
    result.stdout.fnmatch_lines(["gradcheck*", "*Check a gradient:*"])


def test_loading_the_plugin_loads_neither_numpy_nor_the_checker(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
    import sys

    import gradhook.testing.plugin

    def test_nothing():
        assert not {"numpy", "gradhook.check", "gradhook.options"} & set(sys.modules)
    """
    )
    result = pytester.runpytest_subprocess("-p", "gradhook.testing.plugin")
    result.assert_outcomes(passed=1)
