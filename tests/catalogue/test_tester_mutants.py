"""The tester, tested: with a bug planted in gradhook itself, its score on the catalogue drops."""

import math
from dataclasses import replace

import pytest

import gradhook
from gradhook._workspace import Workspace
from gradhook.probe import blocks, slopes
from gradhook.testing import catalogue

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
    def boast(function):
        def without_error(*args, **keywords):
            return replace(function(*args, **keywords), error=0.0)

        return without_error

    monkeypatch.setattr(blocks, "sharp_slope", boast(slopes.sharp_slope))
    monkeypatch.setattr(blocks, "pair_slope", boast(slopes.pair_slope))
    assert faults(sample) > 0


def test_a_step_chosen_because_it_agrees_misses_bugs(sample, monkeypatch):
    def agreeable(prober, name, direction, *, sharp):
        analytic = direction.dot(prober._gradients[name])
        with blocks.Line(
            prober._workspace, [(name, direction, 1.0)], prober._evaluator.loss
        ) as line:
            ladder = [prober.scales[name] * 10.0 ** (-k / 2) for k in range(2, 36)]
            tried = [slopes._two(line, prober.loss, h, prober.noise) for h in ladder]
        finite = [s for s in tried if math.isfinite(s.value)]
        best = min(finite, key=lambda s: abs(s.value - analytic))
        return blocks.Probe(analytic, replace(best, error=1e-9 * abs(best.value), kink=False))

    monkeypatch.setattr(blocks.Prober, "_probe", agreeable)
    wrong = [case for case in sample if case.wrong]
    assert faults(wrong[::4]) > 0


def test_parameters_not_put_back_between_probes_make_false_alarms(sample, monkeypatch):
    write = Workspace.write

    def forgetful(workspace, name, direction=None, step=0.0):
        if direction is not None:
            write(workspace, name, direction, step)

    monkeypatch.setattr(Workspace, "write", forgetful)
    assert faults(sample) > 0
