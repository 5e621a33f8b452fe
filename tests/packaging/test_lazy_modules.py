"""``import gradhook`` loads the assertions no earlier than they are named."""

import subprocess
import sys

import pytest

import gradhook.testing


def test_the_assertions_load_when_they_are_named():
    code = """
import sys
import gradhook
assert not {name for name in sys.modules if name.startswith("gradhook.testing")}
gradhook.testing.assert_gradients
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_misspelt_attribute_of_testing_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'gradhook\.testing' has no attribute 'katalogue'"):
        gradhook.testing.katalogue  # noqa: B018 - the lookup is the test
