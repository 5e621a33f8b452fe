"""What is seldom needed is loaded when it is: the assertions, and what explains a mismatch."""

import pytest

import gradhook.testing


def test_the_assertions_load_when_they_are_named(run_python):
    code = """
import sys
import gradhook
assert not {name for name in sys.modules if name.startswith("gradhook.testing")}
gradhook.testing.assert_gradients
"""
    run_python(code, check=True)


def test_a_check_that_passes_loads_nothing_that_explains_a_mismatch(run_python):
    code = """
import sys
import numpy
import gradhook
x = numpy.linspace(0.3, 1.1, 5)
print(gradhook.check_gradients(lambda x: (x @ x, {factor} * x), x).verdict)
print(*(name for name in sys.modules if name.startswith("gradhook.diagnosis.")))
"""
    loaded = {}
    for factor in (2, 3):
        done = run_python(code.format(factor=factor), check=True)
        verdict, names = done.stdout.splitlines()
        loaded[verdict] = names.split()
    assert loaded["PASS"] == []
    assert "gradhook.diagnosis.explain" in loaded["FAIL"]


def test_a_misspelt_attribute_of_testing_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'gradhook\.testing' has no attribute 'katalogue'"):
        gradhook.testing.katalogue  # noqa: B018 - the lookup is the test
