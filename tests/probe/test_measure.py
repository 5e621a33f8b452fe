"""One setting, measured and judged."""

import numpy as np
import pytest

from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import generic
from gradhook.evaluation.workspace import Workspace
from gradhook.guard.guard import Guard
from gradhook.objective.calls import Calls
from gradhook.objective.parameters import Tree
from gradhook.options import Options
from gradhook.probe.measure import enter, measure
from gradhook.probe.setting import Setting

PARAMETERS = {"W": np.random.default_rng(0).normal(size=(4, 5)), "b": np.array([0.5, -2.0])}


@pytest.fixture
def entered():
    """Return a function that enters a point of a loss of which dW is ``factor`` times right."""

    def made(factor, moved=True, loss=lambda p: np.sum(np.sin(p["W"])) + np.sum(p["b"] ** 3)):
        def both(p):
            return loss(p), {"W": factor * np.cos(p["W"]), "b": 3 * p["b"] ** 2}

        workspace = Workspace(Tree.of(PARAMETERS), in_place=False)
        calls = Calls(None, None, both, takes_parameters=True)
        evaluator = Evaluator(calls, workspace, Guard([both]), ())
        moves = generic(workspace.arrays, fixed=(), seed=0) if moved else {}
        return enter(evaluator, Setting("somewhere", moves, ()), seed=3)

    return made


def verdicts(result):
    return {name: str(finding.verdict) for name, finding in result.findings.items()}


@pytest.mark.parametrize(("factor", "W"), [(1.0, "PASS"), (1.01, "FAIL")])
def test_every_block_is_probed_and_judged(entered, factor, W):
    result = measure(entered(factor), Options())
    assert verdicts(result) == {"W": W, "b": "PASS"}
    assert {name: (e.exact, len(e.probes)) for name, e in result.evidence.items()} == {
        "W": (False, 3),
        "b": (True, 2),
    }
    assert verdicts(measure(entered(factor), Options(), names=["b"])) == {"b": "PASS"}


def test_an_exhaustive_check_measures_every_element_and_plain_differences_where_the_user_is(
    entered,
):
    here = measure(entered(1.01, moved=False), Options(effort="exhaustive"))
    cosine = np.cos(PARAMETERS["W"])
    np.testing.assert_allclose(here.evidence["W"].elements, cosine, rtol=1e-6)
    np.testing.assert_allclose(here.textbook["W"], cosine, atol=1e-6)  # rounding over 1e-7
    assert not np.array_equal(here.textbook["W"], here.evidence["W"].elements)
    away = measure(entered(1.01), Options(effort="exhaustive"))
    assert away.textbook == {}


def test_a_point_outside_the_domain_is_not_entered(entered):
    def refuse(p):
        raise ValueError("outside")

    assert entered(1.0, loss=lambda p: np.inf) is None
    assert entered(1.0, loss=refuse) is None
    there = entered(1.0)
    np.testing.assert_array_equal(
        there.gradients["b"], 3 * there.evaluator.workspace.values("b") ** 2
    )
    assert not np.array_equal(there.evaluator.workspace.values("b"), PARAMETERS["b"])
