"""What was too coarse to judge is evidence neither for a cause nor for a place."""

import types

import pytest

from gradhook import Verdict
from gradhook.diagnosis.explain import _resolved_right


def setting(ratios, errors):
    """A setting with the ratio of each wrong block and the error of each right one."""
    judgements = {
        name: types.SimpleNamespace(
            comparison=types.SimpleNamespace(
                ratio=ratios.get(name, 0.0),
                error_norm=errors.get(name, 0.0),
                norms=types.SimpleNamespace(analytic=0.5, numerical=0.5),
            )
        )
        for name in (*ratios, *errors)
    }
    return types.SimpleNamespace(
        judgements=judgements,
        evidence={name: types.SimpleNamespace(probes=[1]) for name in judgements},
        shows_wrong=ratios.__contains__,
    )


@pytest.mark.parametrize(("error", "is_evidence"), [(1e-8, True), (4e-3, False)])
def test_a_right_block_is_evidence_as_far_as_it_was_resolved(error, is_evidence):
    measured = [setting({"W": 0.01}, {"b": error})]
    verdicts = {"W": Verdict.FAIL, "b": Verdict.PASS}
    assert ("b" in _resolved_right(measured, verdicts, ["W"])) is is_evidence


def test_blocks_that_passed_nothing_are_not_right():
    measured = [setting({"W": 0.5}, {"b": 1e-9})]
    verdicts = {"W": Verdict.FAIL, "b": Verdict.UNTESTED}
    assert _resolved_right(measured, verdicts, ["W"]) == frozenset()
