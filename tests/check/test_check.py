"""One check from start to finish: what is told apart before and after it is guarded."""

import warnings

import numpy as np
import pytest

from gradhook import GradCheckCallback, check_gradients
from gradhook.errors import GradCheckWarning, InternalError, LossTypeError
from gradhook.objective.gradients import as_complex


def square(p, *_):
    return float(p["w"] @ p["w"]), {"w": 2 * p["w"]}


class Fault(Exception):
    pass


def raised(*_):
    raise Fault


@pytest.mark.parametrize("where", ["parameters", "subset"])
def test_exceptions_of_the_users_own_outside_the_loss_propagate(where):
    parameters = raised if where == "parameters" else {"w": np.ones(2)}
    with pytest.raises(Fault):
        check_gradients(
            square,
            parameters,
            batch=np.ones((20, 2)),
            subset=raised if where == "subset" else None,
        )


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *(("gradhook.check.check", name) for name in ("read", "_with_block_names", "assemble")),
        ("gradhook.check.record", "_unexercised"),
        *(
            ("gradhook.check.guarded", name)
            for name in ("make", "Guard", "Evaluator", "Workspace", "put_back")
        ),
    ],
)
def test_faults_of_gradhooks_own_are_called_so(monkeypatch, module, name):
    monkeypatch.setattr(f"{module}.{name}", None)
    with pytest.raises(InternalError, match="gradhook itself failed: TypeError") as got:
        check_gradients(square, {"w": np.ones(2)})
    assert isinstance(got.value.__cause__, TypeError)
    check = GradCheckCallback(square, {"w": np.ones(2)}, batch=(), on_fail="record", enabled=True)
    with pytest.warns(GradCheckWarning, match="gradhook itself failed"):
        assert check.on_train_begin().verdict == "INCONCLUSIVE"


class Progress:
    def __init__(self, fails_at):
        self.calls = []
        self.fails_at = fails_at

    def _call(self, name):
        self.calls.append(name)
        if name == self.fails_at:
            raise OSError("broken pipe")

    def start(self, total, description):
        self._call("start")

    def advance(self, n=1):
        self._call("advance")

    def close(self):
        self._call("close")


@pytest.mark.parametrize("fails_at", ["start", "advance", "close"])
def test_a_progress_display_that_fails_is_dropped_with_one_warning(fails_at):
    display = Progress(fails_at)
    with pytest.warns(GradCheckWarning, match=r"Progress failed \(OSError: broken pipe\)") as told:
        assert check_gradients(square, {"w": np.ones(2)}, progress=display)
    assert len(told) == 1
    assert display.calls.count(fails_at) == 1


def test_a_warning_that_filters_make_an_exception_is_no_fault_of_gradhooks():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(GradCheckWarning, match="the progress display Progress failed"):
            check_gradients(square, {"w": np.ones(2)}, progress=Progress("advance"))


def test_a_progress_display_is_told_of_every_evaluation_and_closed():
    display = Progress(None)
    report = check_gradients(square, {"w": np.ones(2)}, progress=display)
    assert display.calls == ["start", *["advance"] * report.evaluations, "close"]


@pytest.mark.parametrize("scale", [1e300, 1e-300, 1e160])
def test_numbers_at_the_ends_of_float64_warn_of_nothing(scale):
    def loss_and_gradients(p):
        return scale * np.sum(p["w"] ** 3), {"w": 3 * scale * p["w"] ** 2}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = check_gradients(loss_and_gradients, {"w": np.array([1.0, -2.0, 0.5])})
    assert report.verdict != "FAIL"


def test_the_users_own_error_state_is_left_alone():
    with np.errstate(all="raise"):
        before = np.geterr()
        assert check_gradients(square, {"w": np.ones(2)})
        assert np.geterr() == before


def test_a_complex_loss_is_one_number_too():
    assert as_complex(np.array([1 + 2j])) == 1 + 2j
    assert as_complex(3.0) == 3
    for value in (np.ones(2), "1", None):
        with pytest.raises(LossTypeError, match="must be one real number"):
            as_complex(value)


def squares(theta, X, y):
    """Half the mean of squares."""
    residual = X @ theta - y
    return 0.5 * np.mean(residual**2), X.T @ residual / len(y)


def test_a_report_says_of_how_many_rows_it_took_some():
    X, y = np.arange(24.0).reshape(12, 2), np.ones(12)
    theta = np.array([0.1, -0.2])
    some = check_gradients(squares, theta, batch=(X, y))
    assert (len(some.rows), some.batch_rows) == (7, 12)
    assert "7 of 12 rows" in str(some)
    every = check_gradients(squares, theta, batch=(X, y), samples=None)
    assert (every.rows, every.batch_rows) == (None, 12)
    assert "all 12 rows" in str(every)
    none = check_gradients(lambda x: (np.sum(x**2), 2 * x), theta)
    assert none.batch_rows is None
    assert "rows" not in str(none)
