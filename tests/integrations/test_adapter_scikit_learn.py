"""scikit-learn's callbacks on an estimator of one's own, and loops over ``partial_fit``."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone

from gradhook.errors import OptionError
from gradhook.integrations import scikit_learn_fit


@pytest.fixture(scope="module")
def digits(example):
    return example("scikit_learn_digits")


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    return random.normal(size=(120, 4)), random.integers(3, size=120)


def fitted(model):
    return {name: getattr(model, name) for name in ("coef_", "intercept_")}


class Recorder:
    """A callback of scikit-learn's kind that only counts."""

    ends = 0

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        Recorder.ends += 1

    def teardown(self, estimator, context):
        pass


def test_the_fitted_attributes_are_checked_and_the_penalty_by_itself(right):
    model, check = right
    assert set(check.last_report.blocks) == {"coef_", "intercept_"}
    assert any("alpha" in setting for setting in check.last_report.settings)
    assert model.alpha == 1e-3


def test_a_loop_over_partial_fit_passes_at_scheduled_steps_and_is_the_same_to_the_bit_without(
    digits, verdicts, same_bits
):
    checked, check = digits.train(partial=True, enabled=True, on_fail="raise")
    plain, none = digits.train(partial=True, enabled=False)
    # The first call that brings a batch makes the check at the start as well.
    assert verdicts(check) == [(1, "PASS"), (10, "PASS"), (50, "PASS")]
    assert none.history == []
    same_bits(fitted(checked), fitted(plain))


def test_a_mistake_in_a_loop_over_partial_fit_fails_and_names_its_block(digits, failing):
    # With fit it is found by the program, in test_adapter_documents.py.
    _, check = digits.train(digits.InterceptAveraged, partial=True, enabled=True, on_fail="record")
    assert [failing(report) for report in check.history] == [{"intercept_"}] * 3


def test_callbacks_that_were_set_before_are_kept(digits, rows):
    model = digits.SoftmaxRegression(max_iter=3).set_callbacks(Recorder())
    check = scikit_learn_fit.attach(model, enabled=True)
    model.fit(*rows)
    assert Recorder.ends == 4
    assert len(check.history) == 1


def test_a_fitted_estimator_can_be_pickled_and_fits_again_elsewhere(digits, rows):
    model = digits.SoftmaxRegression(max_iter=3)
    check = scikit_learn_fit.attach(model, schedule=1, enabled=True)
    model.fit(*rows)
    made = len(check.history)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.fit(*rows).coef_, model.coef_)
    assert len(check.history) == made


def test_a_clone_shares_the_callback_and_is_not_checked(digits, rows):
    model = digits.SoftmaxRegression(max_iter=3)
    check = scikit_learn_fit.attach(model, schedule=1, enabled=True)
    clone(model).fit(*rows)
    assert check.history == []


def test_a_disabled_check_sets_no_callback(digits, rows):
    model = digits.SoftmaxRegression(max_iter=3)
    before = set(vars(model))
    scikit_learn_fit.attach(model, enabled=False)
    assert set(vars(model)) == before


class Plain:
    """An estimator without callbacks; one parameter is a number, the other float32."""

    def __init__(self, slope=1.0):
        self.coef_ = np.zeros(4, dtype=np.float32)
        self.intercept_ = 0.25
        self.slope = slope

    def partial_fit(self, X, y):
        self.coef_ = self.coef_ - np.float32(0.01)

    def half_squares(self, X, y):
        residual = X @ self.coef_ + self.intercept_ - y
        gradients = {"intercept_": residual.sum(), "coef_": self.slope * residual @ X}
        return 0.5 * residual @ residual, gradients


def test_an_estimator_without_callbacks_is_told_what_it_needs():
    with pytest.raises(OptionError, match="Plain has no set_callbacks") as caught:
        scikit_learn_fit.attach(Plain(), enabled=True)
    message = str(caught.value)
    assert "sklearn.callback.CallbackSupportMixin" in message
    assert f"installed: {sklearn.__version__}" in message
    assert "hook='partial_fit'" in message


@pytest.mark.parametrize(("slope", "verdict"), [(1.0, "PASS"), (1.1, "FAIL")])
def test_numbers_and_float32_are_checked_in_float64_and_put_back(rows, slope, verdict):
    model = Plain(slope)
    coefficients = model.coef_
    check = scikit_learn_fit.attach(
        model, objective="half_squares", hook="partial_fit", on_fail="record", enabled=True
    )
    report = check.on_train_begin(batch=rows)
    assert report.blocks["coef_"].verdict == verdict
    assert report.blocks["intercept_"].verdict == "PASS"
    # In float32, of eps 1.2e-7, no central difference resolves 1e-6.
    assert report.blocks["intercept_"].ratio_error < 1e-6
    assert model.coef_ is coefficients
    assert model.coef_.dtype == np.float32
    assert model.intercept_ == 0.25


def test_a_function_of_the_estimator_can_be_the_objective(rows):
    check = scikit_learn_fit.attach(
        Plain(),
        objective=lambda estimator, X, y: estimator.half_squares(X, y),
        hook="partial_fit",
        enabled=True,
    )
    assert check.on_train_begin(batch=rows).verdict == "PASS"


def test_attributes_are_put_back_when_the_method_raises(rows):
    model = Plain()
    coefficients = model.coef_
    model.half_squares = lambda X, y: 1 / 0
    check = scikit_learn_fit.attach(
        model, objective="half_squares", hook="partial_fit", enabled=True
    )
    with pytest.raises(ZeroDivisionError):
        check.on_train_begin(batch=rows)
    assert model.coef_ is coefficients
