"""The evidence of a block: what its probes were measured along, and what they say together."""

import numpy as np
import pytest

from gradhook.evaluation.directions import Coordinate
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.workspace import Workspace
from gradhook.guard.guard import Guard
from gradhook.objective.calls import Calls
from gradhook.objective.parameters import Tree
from gradhook.probe.block_evidence import add_probes, directions_of, gather
from gradhook.probe.prober import Prober
from gradhook.probe.setting import EnteredSetting, Setting

PARAMETERS = {"w": np.linspace(0.5, 1.5, 20), "b": np.array([0.3, -0.7]), "unread": np.ones(9)}


def both(p):
    loss = float(np.sum(p["w"] ** 3) + np.sum(np.sin(p["b"])))
    return loss, {"w": 3 * p["w"] ** 2, "b": np.cos(p["b"]), "unread": np.zeros(9)}


@pytest.fixture
def prober():
    workspace = Workspace(Tree.of(PARAMETERS), in_place=False)
    calls = Calls(None, None, both, takes_parameters=True)
    evaluator = Evaluator(calls, workspace, Guard([both]), ())
    loss, gradients = evaluator.loss_and_gradients()
    return Prober(EnteredSetting(evaluator, Setting("here", {}, ()), 0, loss, gradients))


def test_a_block_of_no_more_elements_than_directions_is_probed_element_by_element(prober):
    evidence = gather(prober, "b", probes=3)
    assert evidence.exact
    assert directions_of(prober, evidence) == [Coordinate(0), Coordinate(1)]
    found = [probe.slope.value for probe in evidence.probes]
    assert found == pytest.approx(np.cos(PARAMETERS["b"]), rel=1e-7)


def test_further_probes_go_along_further_directions(prober):
    evidence = add_probes(prober, gather(prober, "w", probes=2), 2)
    directions = directions_of(prober, evidence)
    assert len({probe.analytic for probe in evidence.probes}) == len(directions) == 4
    for direction, probe in zip(directions, evidence.probes, strict=True):
        assert probe.analytic == direction.dot(3 * PARAMETERS["w"] ** 2)
        assert abs(probe.residual) <= probe.slope.error


def test_a_block_that_the_loss_does_not_read_is_unmoved(prober):
    assert gather(prober, "unread", probes=2).unmoved
    assert not gather(prober, "w", probes=2).unmoved


def test_elements_measured_already_are_the_evidence(prober):
    probes = [prober.probe("w", Coordinate(index), sharp=True) for index in range(20)]
    evidence = gather(prober, "w", probes=2, elements=probes)
    assert evidence.exact
    assert evidence.elements == pytest.approx(3 * PARAMETERS["w"] ** 2, rel=1e-7)
