"""One evaluation: what is done around it, the same way every time."""

import signal

import numpy as np
import pytest

from gradhook.errors import LossTypeError
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import generic
from gradhook.evaluation.workspace import Workspace
from gradhook.guard.guard import Guard, held_signals
from gradhook.objective.calls import Calls
from gradhook.objective.parameters import Tree


def evaluator_of(
    both, parameters, *batch, in_place=False, state=(), loss=None, penalty=None, **keywords
):
    workspace = Workspace(Tree.of(parameters), in_place=in_place)
    # As the check does: in place the workspace looks after the arrays and what holds them.
    without = [parameters, *parameters.values()] if in_place else []
    guard = Guard([both, loss, state, batch], without=without)
    calls = Calls(loss, None, both, takes_parameters=not in_place, penalty=penalty)
    return Evaluator(calls, workspace, guard, batch, **keywords)


def half_square(p, *_):
    return 0.5 * float(np.vdot(p["w"], p["w"])), {"w": p["w"]}


def test_calls_are_counted():
    evaluator = evaluator_of(half_square, {"w": np.array([3.0, 4.0])})
    assert evaluator.loss() == 12.5
    loss, gradients = evaluator.loss_and_gradients()
    assert (loss, gradients["w"].tolist()) == (12.5, [3, 4])
    assert (evaluator.evaluations, evaluator.gradient_evaluations) == (2, 1)


def test_every_evaluation_starts_from_the_same_state():
    rng = np.random.default_rng(1)
    running = np.zeros(1)

    def both(p):
        running[:] += 1
        return float(running[0] + rng.random() + np.random.rand()), {"w": p["w"]}

    evaluator = evaluator_of(both, {"w": np.ones(1)})
    losses = [evaluator.loss() for _ in range(3)] + [evaluator.loss_and_gradients()[0]]
    evaluator.guard.learn_volatile()
    losses += [evaluator.loss() for _ in range(3)]
    assert len(set(losses)) == 1
    assert evaluator.loss(rewind="nothing") != losses[0]
    # A sum of three numbers below 4, rounded twice.
    rounding = 4 * np.finfo(float).eps
    assert evaluator.loss(rewind="generators") == pytest.approx(losses[0] + 2, abs=rounding)


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("what", ["writes", "rebinds", "resizes", "deletes", "locks"])
@pytest.mark.parametrize("kind", ["loss", "loss_and_gradients"])
def test_what_a_call_does_to_its_parameters_is_noticed_and_undone(in_place, what, kind):
    parameters = {"w": np.array([1.0, 2.0]), "b": np.array([3.0])}

    def both(*arguments):
        p = parameters if in_place else arguments[0]
        gradients = {name: array.copy() for name, array in p.items()}
        if what == "writes":
            p["w"] -= 0.1
        elif what == "rebinds":
            p["w"] = p["w"] - 0.1
        elif what == "resizes":
            p["w"].resize(5, refcheck=False)
        elif what == "locks":
            p["w"].flags.writeable = False
        else:
            del p["w"]
        return sum(float(g.sum()) for g in gradients.values()), gradients

    evaluator = evaluator_of(both, parameters, in_place=in_place)
    getattr(evaluator, kind)()
    assert evaluator.written == ([] if what == "locks" else ["w"])
    assert evaluator.loss() == 6.0
    assert evaluator.loss_and_gradients()[0] == 6.0
    evaluator.workspace.restore()
    evaluator.guard.restore()
    assert {name: array.tolist() for name, array in parameters.items()} == {"w": [1, 2], "b": [3]}


def test_writes_that_begin_at_another_point_are_noticed_there():
    """A norm that is clipped in place, and is below its bound where the user stands."""

    def both(p):
        if abs(p["w"][0]) != 1:
            p["w"] *= 0.5
        return float(p["w"].sum()), {"w": np.ones(1)}

    evaluator = evaluator_of(both, {"w": np.ones(1)})
    evaluator.loss()
    evaluator.loss_and_gradients()
    assert evaluator.written == []
    evaluator.workspace.move(generic(evaluator.workspace.arrays, fixed=(), seed=1))
    first = evaluator.loss()
    assert evaluator.written == ["w"]
    assert evaluator.loss() == first
    assert evaluator.loss_and_gradients()[0] == first


def test_writes_to_the_batch_are_noticed_and_undone():
    X = np.arange(3.0)

    def both(p, X):
        X -= X.mean()
        return float(X[0]), {"w": p["w"]}

    evaluator = evaluator_of(both, {"w": np.ones(1)}, X)
    assert evaluator.loss() == evaluator.loss() == -1
    assert evaluator.batch_written
    evaluator.guard.restore()
    assert X.tolist() == [0, 1, 2]


def test_an_interrupt_between_two_calls_is_raised_before_the_next(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with held_signals() as gate:
            evaluator = evaluator_of(half_square, {"w": np.ones(1)}, gate=gate)
            evaluator.loss()
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                evaluator.loss()
            assert evaluator.evaluations == 1
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_loss_that_is_no_number_is_refused():
    evaluator = evaluator_of(lambda p: (np.ones(2), {"w": p["w"]}), {"w": np.ones(1)})
    with pytest.raises(LossTypeError, match=r"shape \(2,\): sum or average"):
        evaluator.loss()
    with pytest.raises(LossTypeError, match=r"shape \(2,\): sum or average"):
        evaluator.complex_loss({"w": np.ones(1)})
