"""The debug flag: an argument, then ``debug()``, then the environment, else off."""

import numpy as np
import pytest

from gradhook import GradCheckCallback, debug
from gradhook.errors import OptionError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    monkeypatch.delenv("GRADHOOK", raising=False)


def built(**keywords):
    return GradCheckCallback(lambda x: (x @ x, 2 * x), np.ones(2), batch=(), **keywords).enabled


def test_checks_are_off_by_default():
    assert not built()


@pytest.mark.parametrize("value", ["1", "true", "yes", "on", "TRUE", "Yes", " on "])
def test_the_environment_turns_checks_on(monkeypatch, value):
    monkeypatch.setenv("GRADHOOK", value)
    assert built()


@pytest.mark.parametrize("value", ["0", "false", "no", "off", "OFF", ""])
def test_the_environment_turns_checks_off(monkeypatch, value):
    monkeypatch.setenv("GRADHOOK", value)
    assert not built()


@pytest.mark.parametrize("value", ["2", "enabled", "y", "tru", "1.0"])
def test_any_other_value_in_the_environment_is_an_error(monkeypatch, value):
    monkeypatch.setenv("GRADHOOK", value)
    with pytest.raises(OptionError, match=f"GRADHOOK is '{value}'; it must be one of 1, true, yes"):
        built()
    assert built(enabled=True)  # never asked


def test_debug_counts_more_than_the_environment(monkeypatch):
    monkeypatch.setenv("GRADHOOK", "0")
    with debug():
        assert built()
    monkeypatch.setenv("GRADHOOK", "1")
    with debug(False):
        assert not built()
    assert built()


def test_an_argument_counts_most(monkeypatch):
    monkeypatch.setenv("GRADHOOK", "1")
    with debug():
        assert not built(enabled=False)
    with debug(False):
        assert built(enabled=True)


def test_debug_nests_and_ends_with_its_block_even_on_an_exception():
    with debug():
        with pytest.raises(KeyError), debug(False):
            raise KeyError
        assert built()
    assert not built()


def test_the_flag_is_decided_when_the_callback_is_built(monkeypatch):
    with debug():
        check = GradCheckCallback(lambda x: (x @ x, 2 * x), np.ones(2), batch=())
    monkeypatch.setenv("GRADHOOK", "0")
    assert check.on_step_end(1) is not None
    with pytest.raises(AttributeError):
        check.enabled = False


@pytest.mark.parametrize("value", [1, "yes", 0, np.array([True])])
def test_only_truth_values_are_flags(value):
    with pytest.raises(OptionError, match="enabled must be True, False or None, got"):
        built(enabled=value)
    with pytest.raises(OptionError, match=r"debug\(\) takes True or False, got"), debug(value):
        pass
