"""Elements in chunks: the same numbers whoever measures them, and in whatever order."""

import copy
from types import SimpleNamespace

import numpy as np

from gradhook.difference.base import Estimate
from gradhook.probe import elements
from gradhook.probe.elements import Measured, Task, measure_elements, run_task
from gradhook.verdict.evidence import Probe


class Steps:
    """Knows how many elements were measured since it was copied, and the largest slope."""

    def __init__(self):
        self.count, self.largest = 0, 0.0

    def copied(self):
        return copy.copy(self)

    def learn(self, name, slope):
        self.largest = max(self.largest, slope.value)


class Prober:
    """Says in each probe how many elements its steps have seen."""

    def __init__(self):
        self.gradients = {"W": np.zeros((5, 7)), "b": np.zeros(2), "gone": np.zeros(0)}
        self.norms = dict.fromkeys(self.gradients, 0.0)
        self.steps, self.seen = Steps(), []
        workspace = SimpleNamespace(arrays=self.gradients, in_place=False)
        self.evaluator = SimpleNamespace(workspace=workspace, evaluations=0)

    def probe(self, name, direction, *, sharp):
        assert sharp
        self.evaluator.evaluations += 4
        self.seen.append((name, direction.index))
        self.steps.count += 1
        taken = 1.0  # by the step that was taken, which the dtype bends
        return Probe(taken, Estimate(float(self.steps.count), 0.0, 1e-5))

    def line(self, part):
        _, direction, _ = part

        class Line:
            def __enter__(self):
                return lambda t: 10.0 * direction.index * t

            def __exit__(self, *error):
                return None

        return Line()


def test_a_chunk_says_what_it_measured_and_what_that_cost_and_teaches_nothing():
    prober = Prober()
    found = run_task(prober, Task("W", 3, 5, eps=1e-7))
    assert prober.seen == [("W", 3), ("W", 4)]
    assert [element.evaluations for element in found] == [4, 4]
    assert [element.probe.analytic for element in found] == [0.0, 0.0]  # the gradient itself
    np.testing.assert_allclose([element.textbook for element in found], [30.0, 40.0])
    assert prober.steps.count == 0


def test_each_element_is_measured_once_and_every_chunk_starts_from_what_the_first_ones_taught():
    prober = Prober()
    measure_elements(prober, ["W", "b", "gone"])
    assert sorted(prober.seen) == [("W", k) for k in range(35)] + [("b", 0), ("b", 1)]
    assert prober.seen[:2] == [("W", 0), ("b", 0)]
    # Two were known before chunks of 16, 16, 2 and 1; the largest slope of all is kept.
    assert prober.steps.count == 2
    assert prober.steps.largest == 2 + 16


def test_tasks_are_given_away_and_those_that_come_back_undone_are_done_here(monkeypatch):
    prober, given = Prober(), []

    def elsewhere(workers, prober, chunks):
        given.extend(chunks)
        for task in chunks:
            element = Measured(Probe(0.0, Estimate(50.0, 0.0, 1e-5)), np.nan, 4)
            yield None if task.start == 17 else [element] * (task.stop - task.start)

    monkeypatch.setattr(elements, "_elsewhere", elsewhere)
    measure_elements(prober, ["W", "b"], workers=2)
    chunks = [(task.name, task.start, task.stop) for task in given]
    assert chunks == [("W", 1, 17), ("W", 17, 33), ("W", 33, 35), ("b", 1, 2)]
    assert prober.seen == [("W", 0), ("b", 0), *(("W", k) for k in range(17, 33))]
    assert prober.steps.largest == 50.0
