"""Thinc's layers and models; needs Thinc."""

import numpy as np
import pytest

from gradhook import layer_check
from gradhook.errors import OptionError
from gradhook.integrations import thinc_model

pytestmark = pytest.mark.framework


@pytest.fixture(scope="module")
def thinc():
    import thinc.api

    return thinc.api


@pytest.fixture(scope="module")
def digits(example):
    return example("thinc_digits")


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(30, 6)).astype("f")


def weights(model):
    return {
        f"{node.name}{index}.{name}": node.get_param(name)
        for index, node in enumerate(model.walk())
        for name in node.param_names
    }


def test_a_right_model_passes_at_the_start_and_at_scheduled_steps(right, verdicts):
    _, check = right
    assert verdicts(check) == [(0, "PASS"), (10, "PASS"), (50, "PASS")]
    assert list(check.last_report.blocks) == [
        *("linear.W", "linear.b", "gated.W", "softmax.W", "softmax.b")
    ]
    assert "generic point, dropout replayed" in check.last_report.settings


def test_training_is_the_same_to_the_bit_with_the_check_and_without(
    digits, right, same_bits, global_state
):
    checked, _ = right
    plain, none = digits.train(enabled=False)
    without = global_state()
    assert none.history == []
    same_bits(weights(checked), weights(plain))
    digits.train(enabled=True)
    assert global_state() == without


def test_a_missing_transpose_fails_in_the_blocks_below_it(digits, failing):
    _, check = digits.train(digits.gated_without_transpose, enabled=True, on_fail="record")
    assert [failing(report) for report in check.history] == [{"linear.W", "linear.b"}] * 3


@pytest.mark.parametrize("name", ["Linear", "Relu", "Mish", "Maxout", "LayerNorm", "Swish"])
def test_a_layer_alone_passes_along_a_random_cotangent(thinc, name, X):
    sizes = {"nI": 6} if name == "LayerNorm" else {"nO": 4, "nI": 6}
    layer = getattr(thinc, name)(**sizes).initialize(X=X)
    check = thinc_model.attach(layer, enabled=True)
    report = check.on_train_begin(batch=(X, np.zeros(30)))  # Labels are not needed.
    assert report.verdict == "PASS"
    # The layer computes in float64; in float32 no central difference resolves 1e-6.
    assert max(block.ratio_error for block in report.blocks.values()) < 1e-5
    assert all(array.dtype == np.float32 for array in weights(layer).values())


def test_a_layer_without_its_transpose_fails(thinc, X):
    def forward(model, X, is_train):
        W = model.get_param("W")

        def backprop(dY):
            model.inc_grad("W", dY.T @ X)
            return dY @ W.T

        return X @ W, backprop

    W = np.random.default_rng(1).normal(size=(6, 6)).astype("f")
    layer = thinc.Model("square", forward, params={"W": W})
    check = thinc_model.attach(layer, on_fail="record", enabled=True)
    assert check.on_train_begin(batch=X).blocks["square.W"].verdict == "FAIL"


def test_softmax_is_right_with_its_loss_and_wrong_along_a_cotangent(thinc, digits, X):
    layer = thinc.Softmax(nO=4, nI=6, init_W=thinc.glorot_uniform_init).initialize(X=X)
    truths = np.eye(4)[np.arange(30) % 4]
    alone = thinc_model.attach(layer, on_fail="record", enabled=True)
    assert alone.on_train_begin(batch=X).verdict == "FAIL"
    with_loss = thinc_model.attach(layer, loss=digits.cross_entropy, enabled=True)
    assert with_loss.on_train_begin(batch=(X, truths)).verdict == "PASS"


def test_gradients_collected_so_far_are_kept_and_none_are_left_behind(thinc, X):
    model = thinc.chain(thinc.Linear(4, 6), thinc.Relu(3, 4)).initialize(X=X)
    check = thinc_model.attach(model, schedule=1, enabled=True)
    assert check.on_train_begin(batch=X).passed
    assert not any(node.grad_names for node in model.walk())

    Y, backprop = model.begin_update(X)
    backprop(np.ones_like(Y))
    collected = {key: (grad, grad.copy()) for key, (_, grad) in model.get_gradients().items()}
    assert check.on_step_end(1, batch=X).passed
    for key, (_, gradient) in model.get_gradients().items():
        array, value = collected[key]
        assert gradient is array
        np.testing.assert_array_equal(gradient, value)


def test_parameters_are_the_same_arrays_after_a_check_and_after_one_that_raises(thinc, X):
    layer = thinc.Linear(4, 6).initialize(X=X)
    before = weights(layer)
    assert thinc_model.attach(layer, enabled=True).on_train_begin(batch=X).passed

    def loss(guesses):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        thinc_model.attach(layer, loss=loss, enabled=True).on_train_begin(batch=X)
    after = weights(layer)
    assert all(after[name] is before[name] for name in before)
    assert not layer.grad_names


def test_layers_of_one_name_are_numbered_from_the_input(thinc, X):
    model = thinc.chain(thinc.Relu(4, 6), thinc.Relu(3, 4)).initialize(X=X)
    report = thinc_model.attach(model, enabled=True).on_train_begin(batch=X)
    assert list(report.blocks) == ["relu.1.W", "relu.1.b", "relu.2.W", "relu.2.b"]
    assert report.blocks["relu.1.W"].shape == (4, 6)


def test_a_model_wrapped_for_debugging_is_checked_all_the_same(thinc, X):
    layer = thinc.with_debug(thinc.Linear(4, 6)).initialize(X=X)
    assert thinc_model.attach(layer, enabled=True).on_train_begin(batch=X).verdict == "PASS"


@pytest.mark.parametrize("name", ["CategoricalCrossentropy", "L2Distance"])
def test_losses_that_return_another_number_are_refused(thinc, name, X):
    with pytest.raises(OptionError, match=rf"Thinc's {name} returns the squared length"):
        thinc_model.attach(thinc.Linear(4, 6), loss=getattr(thinc, name)(), enabled=True)


def test_the_layer_alone_passes_and_without_its_transpose_fails_in_its_input(digits):
    assert digits.check_layer_alone().verdict == "PASS"
    report = digits.check_layer_alone(digits.gated_without_transpose)
    assert report.failing == ("x",)
    assert report.blocks["W"].verdict == "PASS"


def test_a_layer_of_thincs_own_is_checked_in_float32_as_it_is(thinc, X):
    layer = thinc.Linear(4, 6, init_W=thinc.glorot_uniform_init).initialize(X=X)
    before = {name: array.copy() for name, array in weights(layer).items()}
    report = layer_check(
        layer.begin_update,
        lambda dY, backprop: backprop(dY),
        X,
        {name: layer.get_param(name) for name in layer.param_names},
        gradients=lambda: {name: layer.get_grad(name) for name in layer.param_names},
    )
    assert list(report.blocks) == ["x", "W", "b"]
    assert {str(block.verdict) for block in report.blocks.values()} <= {"PASS", "INCONCLUSIVE"}
    assert all(np.array_equal(array, before[name]) for name, array in weights(layer).items())
    assert not layer.grad_names
