"""The tester, tested: with a bug planted in gradhook itself, it errs on the catalogue."""

from dataclasses import replace

import gradhook
from gradhook.difference import search as steps
from gradhook.evaluation import workspace
from gradhook.probe import prober as lines
from tests import catalogue

KINKED = ("kink", "tie", "relu", "hinge", "absolute", "constant", "quantile", "late")


def checker(case):
    report = gradhook.check_gradients(
        case.objective, case.parameters, batch=case.batch, **case.check_options
    )
    return "pass" if report.passed else "fail" if report.verdict == "FAIL" else "undecided"


def errs(seed_zero):
    """Whether a fault is found on right code near a kink or a large constant, or on other cases.

    Without a bug in gradhook there is none on the whole seed: ``tests/golden``.
    """
    near = [c for c in seed_zero if c.clean and any(word in c.name for word in KINKED)]
    for case in (*near, *seed_zero[::8]):
        found = catalogue.score(checker, [replace(case)])
        if found.false_alarms or found.misses or found.errors:
            return True
    return False


def test_errors_set_to_zero_make_false_alarms(seed_zero, monkeypatch):
    def without_error(*args, **keywords):
        return replace(steps.search(*args, **keywords), error=0.0)

    monkeypatch.setattr(lines, "search", without_error)
    assert errs(seed_zero)


def test_steps_one_percent_too_long_make_false_alarms(seed_zero, monkeypatch):
    displace = workspace.displace

    def longer(target, source, move, along, step):
        displace(target, source, move, along, 1.01 * step)

    monkeypatch.setattr(workspace, "displace", longer)
    assert errs(seed_zero)
