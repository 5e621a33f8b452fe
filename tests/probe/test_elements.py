"""Elements in chunks: the same numbers whoever measures them, and in whatever order."""

from types import SimpleNamespace

import numpy as np

from gradhook.difference.base import Estimate
from gradhook.probe import elements
from gradhook.probe.elements import Measurements, Task, measure_elements, run_task
from gradhook.probe.steps import Knowledge
from gradhook.verdict.evidence import Probe


class Prober:
    """Knows how many elements were measured since it was set back, and says so in each probe."""

    def __init__(self):
        self.gradients = {"W": np.zeros((5, 7)), "b": np.zeros(2), "gone": np.zeros(0)}
        self.norms = dict.fromkeys(self.gradients, 0.0)
        self.steps, self.seen = SimpleNamespace(knowledge=Knowledge({}, 1e-5, 0.0)), []
        arrays = {name: array.copy() for name, array in self.gradients.items()}
        workspace = SimpleNamespace(arrays=arrays, in_place=False)
        self.evaluator = SimpleNamespace(workspace=workspace, evaluations=0)

    def probe(self, name, direction, *, sharp):
        assert sharp
        self.evaluator.evaluations += 4
        self.seen.append((name, direction.index))
        typical = self.steps.knowledge.typical + 1
        self.steps.knowledge = Knowledge({}, 1e-5, typical)
        return Probe(0.0, Estimate(typical, 0.0, 1e-5))

    def line(self, part):
        _, direction, _ = part

        class Line:
            def __enter__(self):
                return lambda t: 10.0 * direction.index * t

            def __exit__(self, *error):
                return None

        return Line()


def test_a_chunk_says_what_it_measured_and_what_that_cost():
    prober = Prober()
    found = run_task(prober, Task("W", 3, 5, eps=1e-7))
    assert prober.seen == [("W", 3), ("W", 4)]
    assert (len(found.probes), found.evaluations, found.known.typical) == (2, 8, 2.0)
    np.testing.assert_allclose(found.textbook, [30.0, 40.0])
    assert run_task(prober, Task("W", 0, 1)).textbook == ()


def test_each_element_is_measured_once_and_every_chunk_starts_from_what_the_first_ones_taught():
    prober = Prober()
    measure_elements(prober, ["W", "b", "gone"])
    assert sorted(prober.seen) == [("W", k) for k in range(35)] + [("b", 0), ("b", 1)]
    assert prober.seen[:2] == [("W", 0), ("b", 0)]
    # Two were known before chunks of 16, 16, 2 and 1; the largest slope of all is kept.
    assert prober.steps.knowledge.typical == 2 + 16


def test_tasks_are_given_away_and_those_that_come_back_undone_are_done_here(monkeypatch):
    prober, given = Prober(), []

    def elsewhere(workers, prober, tasks):
        given.extend(tasks)
        for task in tasks:
            probes = (Probe(0.0, Estimate(99.0, 0.0, 1e-5)),) * (task.stop - task.start)
            known = Knowledge({}, 1e-5, 50.0)
            yield None if task.start == 17 else Measurements(probes, (), 4, known)

    monkeypatch.setattr(elements, "_elsewhere", elsewhere)
    measure_elements(prober, ["W", "b"], workers=2)
    tasks = [(task.name, task.start, task.stop) for task in given]
    assert tasks == [("W", 1, 17), ("W", 17, 33), ("W", 33, 35), ("b", 1, 2)]
    assert prober.seen == [("W", 0), ("b", 0), *(("W", k) for k in range(17, 33))]
    assert prober.steps.knowledge.typical == 50.0
