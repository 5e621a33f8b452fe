"""CS231n's Solver interface, by way of the classes that stand for a student's code."""

import numpy as np
import pytest

from gradhook.errors import OptionError
from gradhook.integrations import cs231n_solver


@pytest.fixture(scope="module")
def course(example):
    return example("cs231n_course")


def small_solver(course, **network):
    """A solver that makes twelve steps on random rows."""
    np.random.seed(0)
    X, y = np.random.randn(60, 64), np.random.randint(10, size=60)
    model = course.FullyConnectedNet([12, 8], weight_scale=0.1, **network)
    data = {"X_train": X, "y_train": y, "X_val": X, "y_val": y}
    return course.Solver(model, data, batch_size=10, num_epochs=2)


def test_batch_normalisation_passes_and_leaves_no_trace_in_its_statistics(course, same_bits):
    left = []
    for enabled in (True, False):
        solver = small_solver(course, normalization="batchnorm")
        check = cs231n_solver.attach(solver, schedule=5, enabled=enabled, on_fail="raise")
        solver.train()
        left.append(solver.model.bn_params)
        for report in check.history:
            assert report.passed
            # The mean over the batch takes a bias away again.
            untested = {name for name, b in report.blocks.items() if b.verdict == "UNTESTED"}
            assert untested == {"b1", "b2"}
        assert len(check.history) == (3 if enabled else 0)
    for one, other in zip(*left, strict=True):
        assert one.pop("mode") == other.pop("mode")
        same_bits(one, other)


def test_a_mask_forgotten_on_the_way_back_is_found_although_dropout_is_off_by_default(
    course, monkeypatch, failing
):
    monkeypatch.setattr(course, "dropout_backward", lambda dout, mask: dout)
    solver = small_solver(course, dropout_keep_ratio=0.5, dtype=np.float64)
    check = cs231n_solver.attach(solver, enabled=True, on_fail="record")
    solver.train()
    # The masks lie above W2 and above W1; only W3 and b3 are nearer to the loss.
    assert failing(check.last_report) == {"W1", "b1", "W2", "b2"}
    findings = check.last_report.blocks["W1"].findings
    assert {f.setting for f in findings if f.verdict == "FAIL"} == {
        "generic point, dropout replayed"
    }


def test_float32_is_checked_in_float64_and_put_back(course):
    solver = small_solver(course, reg=1e-3)
    before = dict(solver.model.params)
    check = cs231n_solver.attach(solver, enabled=True)
    report = check.on_train_begin()
    # In float32, of eps 1.2e-7, no central difference resolves 1e-6.
    assert report.verdict == "PASS"
    assert max(block.ratio_error for block in report.blocks.values()) < 1e-5
    assert solver.model.dtype == np.float32
    assert all(solver.model.params[name] is array for name, array in before.items())
    assert all(array.dtype == np.float32 for array in before.values())


def test_the_seed_of_the_dropout_layers_does_not_disturb_the_global_stream(course, global_state):
    solver = small_solver(course, dropout_keep_ratio=0.5, seed=123)
    check = cs231n_solver.attach(solver, enabled=True)
    before = global_state()
    assert check.on_train_begin().verdict == "PASS"
    assert global_state() == before
    assert solver.model.use_dropout is True


def test_parameters_replaced_at_the_end_of_training_are_read_anew(course):
    solver = small_solver(course, dtype=np.float64)
    check = cs231n_solver.attach(solver, at_start=False, schedule=[1000], enabled=True)
    solver.train()
    assert solver.model.params is solver.best_params
    report = check.on_step_end(1000)
    rows = list(report.rows)
    expected, _ = solver.model.loss(solver.X_train[rows], solver.y_train[rows])
    assert report.loss == pytest.approx(expected, rel=1e-12)


def test_a_disabled_check_leaves_the_solver_as_it_is(course):
    solver = small_solver(course)
    before = set(vars(solver))
    check = cs231n_solver.attach(solver, enabled=False)
    solver.train()
    assert set(vars(solver)) == before
    assert check.history == []


def test_the_sinks_are_closed_when_training_ends_even_by_an_error(course):
    class Sink:
        closed = 0

        def write(self, report):
            raise KeyboardInterrupt

        def close(self):
            Sink.closed += 1

    solver = small_solver(course)
    cs231n_solver.attach(solver, sinks=[Sink()], enabled=True)
    with pytest.raises(KeyboardInterrupt):
        solver.train()
    assert Sink.closed == 1


def test_a_solver_without_training_data_asks_for_a_batch(course):
    solver = small_solver(course)
    batch = solver.X_train, solver.y_train
    del solver.X_train
    with pytest.raises(OptionError, match=r"Solver has no X_train and y_train .* pass batch="):
        cs231n_solver.attach(solver, enabled=True)
    assert cs231n_solver.attach(solver, batch=batch, enabled=True).on_train_begin().passed
