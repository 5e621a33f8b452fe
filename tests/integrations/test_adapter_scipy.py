"""``scipy.optimize``, every method that takes ``jac``."""

import inspect

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize, rosen, rosen_der, rosen_hess
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import aslinearoperator

from gradhook import GradCheckCallback, GradientMismatchError
from gradhook.errors import OptionError
from gradhook.integrations import scipy_optimize

METHODS = (
    *("CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP", "trust-constr"),
    *("Newton-CG", "dogleg", "trust-ncg", "trust-exact", "trust-krylov"),
)
NEED_HESSIAN = METHODS[6:]
START = np.array([1.15, 1.4, 1.9])  # Dogleg needs a positive definite Hessian.


def run(method, jac, check):
    hess = rosen_hess if method in NEED_HESSIAN else None
    return minimize(rosen, START, method=method, jac=jac, hess=hess, callback=check)


def wrong_jac(x):
    return rosen_der(x) * np.array([1, 1.3, 1])  # Still a descent direction.


@pytest.fixture(scope="module")
def digits(example):
    return example("scipy_digits")


@pytest.mark.parametrize("method", METHODS)
def test_a_right_jac_passes_and_the_optimisation_does_not_notice(method, verdicts):
    check = scipy_optimize.callback(rosen, rosen_der, x0=START, schedule=[2, 4, 9], enabled=True)
    checked, plain = run(method, rosen_der, check), run(method, rosen_der, None)
    assert verdicts(check)[:3] == [(0, "PASS"), (2, "PASS"), (4, "PASS")]
    assert {verdict for _, verdict in verdicts(check)} == {"PASS"}
    assert checked.x.tobytes() == plain.x.tobytes()
    assert (checked.nit, checked.nfev) == (plain.nit, plain.nfev)


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_jac_fails_and_stops_the_optimisation_when_asked(method):
    check = scipy_optimize.callback(
        rosen, wrong_jac, stop_on_fail=True, on_fail="record", enabled=True
    )
    if method == "TNC":  # it lets the exception through
        with pytest.raises(StopIteration):
            run(method, wrong_jac, check)
    else:
        assert "StopIteration" in run(method, wrong_jac, check).message
    assert check.last_report.blocks["x"].verdict == "FAIL"


def test_a_wrong_jac_does_not_stop_the_optimisation_unless_asked():
    check = scipy_optimize.callback(rosen, wrong_jac, on_fail="record", enabled=True)
    result = run("L-BFGS-B", wrong_jac, check)
    assert check.last_report.verdict == "FAIL"
    assert "StopIteration" not in str(result.message)


def test_jac_true_takes_fun_that_returns_both(verdicts):
    def both(x):
        return rosen(x), rosen_der(x)

    check = scipy_optimize.callback(both, True, x0=START, schedule=3, enabled=True)
    minimize(both, START, jac=True, callback=check)
    assert verdicts(check)[:2] == [(0, "PASS"), (3, "PASS")]


def test_a_list_is_welcome_as_x0_and_a_number_as_args():
    def fun(x, a):
        return a * x @ x

    check = scipy_optimize.callback(fun, lambda x, a: 2 * a * x, args=3.0, x0=[1, 2], enabled=True)
    assert check.last_report.verdict == "PASS"


def test_a_number_as_x0_is_one_variable_as_it_is_for_scipy(verdicts):
    def fun(x):
        return x[0] ** 4

    def jac(x):
        return [4 * x[0] ** 3]

    check = scipy_optimize.callback(fun, jac, x0=2.0, schedule=2, enabled=True)
    minimize(fun, 2.0, jac=jac, callback=check)
    assert verdicts(check)[:2] == [(0, "PASS"), (2, "PASS")]


@pytest.mark.parametrize("jac", [None, False, "2-point", "cs"])
def test_a_jac_that_scipy_works_out_itself_is_refused(jac):
    with pytest.raises(OptionError, match="leaves the derivative to SciPy") as caught:
        scipy_optimize.callback(rosen, jac, enabled=True)
    assert repr(jac) in str(caught.value)


def test_a_callback_is_a_gradcheck_callback_that_scipy_calls_with_a_result():
    check = scipy_optimize.callback(rosen, rosen_der, enabled=True)
    assert isinstance(check, GradCheckCallback)
    assert list(inspect.signature(check).parameters) == ["intermediate_result"]


def test_a_disabled_callback_does_nothing():
    check = scipy_optimize.callback(rosen, wrong_jac, x0=START, enabled=False)
    assert run("BFGS", rosen_der, check).success
    assert check.history == []


def test_a_failure_can_raise_where_x0_is_given():
    with pytest.raises(GradientMismatchError):
        scipy_optimize.callback(rosen, wrong_jac, x0=START, on_fail="raise", enabled=True)


TIMES = np.linspace(0, 3, 40)
DECAY = 2 * np.exp(-1.3 * TIMES) + 0.1


def residuals(p, t, y):
    return p[0] * np.exp(-p[1] * t) + p[2] - y


def jacobian(p, t, y):
    decay = np.exp(-p[1] * t)
    return np.stack([decay, -p[0] * t * decay, np.ones_like(t)], axis=1)


def row_missing(p, t, y):
    found = jacobian(p, t, y)
    found[17] = 0
    return found


@pytest.mark.parametrize(
    "form", [np.asarray, csr_matrix, aslinearoperator], ids=["array", "sparse", "operator"]
)
def test_residuals_are_checked_along_a_random_cotangent(form, verdicts):
    def jac(*arguments):
        return form(jacobian(*arguments))

    args, start = (TIMES, DECAY), [1.0, 1.0, 0.0]
    check = scipy_optimize.callback(residuals, jac, args=args, x0=start, schedule=2, enabled=True)
    keywords = {"jac": jac, "args": args, "tr_solver": "lsmr"}
    checked = least_squares(residuals, start, callback=check, **keywords)
    plain = least_squares(residuals, start, **keywords)
    assert verdicts(check)[:3] == [(0, "PASS"), (2, "PASS"), (4, "PASS")]
    assert checked.x.tobytes() == plain.x.tobytes()


def test_one_missing_row_of_a_jacobian_fails():
    check = scipy_optimize.callback(
        residuals,
        row_missing,
        args=(TIMES, DECAY),
        x0=[1, 1, 0],
        on_fail="record",
        enabled=True,
    )
    assert check.last_report.blocks["x"].verdict == "FAIL"


def test_rows_of_args_can_be_drawn(digits):
    X, _, y, _ = digits.digits()
    check = scipy_optimize.callback(
        digits.fun, digits.jac, args=(X, y, 0.1), x0=np.zeros(640), samples=7, enabled=True
    )
    assert len(check.last_report.rows) == 7
    assert check.last_report.verdict == "PASS"
