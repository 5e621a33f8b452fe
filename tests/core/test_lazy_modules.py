"""What ``import gradhook`` promises by name is there, and is loaded no earlier than it is named."""

import subprocess
import sys

import pytest

import gradhook.testing


def test_the_catalogue_is_an_attribute_that_loads_when_it_is_named():
    code = """
import sys
import gradhook
assert not {name for name in sys.modules if name.startswith("gradhook.testing")}
gradhook.testing.assert_gradients
assert "gradhook.testing.catalogue" not in sys.modules
assert gradhook.testing.catalogue.__all__
assert "catalogue" in dir(gradhook.testing)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_misspelt_attribute_of_testing_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'gradhook\.testing' has no attribute 'katalogue'"):
        gradhook.testing.katalogue  # noqa: B018
