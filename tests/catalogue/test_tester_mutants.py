"""The tester, tested: with a bug planted in gradhook itself, its score on the catalogue drops."""

from dataclasses import replace

import pytest

import gradhook
from gradhook.difference import search as steps
from gradhook.evaluation.workspace import Workspace
from gradhook.probe import prober as lines
from tests import catalogue

KINKED = ("kink", "tie", "relu", "hinge", "absolute", "constant", "quantile", "late")


def checker(case):
    report = gradhook.check_gradients(
        case.objective, case.parameters, batch=case.batch, **case.check_options
    )
    return "pass" if report.passed else "fail" if report.verdict == "FAIL" else "undecided"


@pytest.fixture(scope="module")
def sample():
    """Every eighth case of a seed, and every right one near a kink or a large constant."""
    cases = list(catalogue.cases([0]))
    near = [c for c in cases if c.clean and any(word in c.name for word in KINKED)]
    return [*cases[::8], *near]


def faults(cases):
    found = catalogue.score(checker, cases)
    return len(found.false_alarms) + len(found.misses) + len(found.errors)


def test_as_it_is_it_makes_no_fault(sample):
    assert faults(sample) == 0


def test_errors_set_to_zero_make_false_alarms(sample, monkeypatch):
    def without_error(*args, **keywords):
        return replace(steps.search(*args, **keywords), error=0.0)

    monkeypatch.setattr(lines, "search", without_error)
    assert faults(sample) > 0


def test_parameters_not_put_back_between_probes_make_false_alarms(sample, monkeypatch):
    write = Workspace.write

    def forgetful(workspace, name, direction=None, step=0.0):
        if direction is not None:
            write(workspace, name, direction, step)

    monkeypatch.setattr(Workspace, "write", forgetful)
    assert faults(sample) > 0
