"""JAX: ``value_and_grad`` with rules of one's own, checked by what it returns."""

import numpy as np
import pytest

from gradhook import check_gradients

pytestmark = pytest.mark.framework

X, Y = np.random.default_rng(0).normal(size=(20, 4)), np.random.default_rng(1).normal(size=(20, 2))


@pytest.fixture(scope="module")
def jax():
    return pytest.importorskip("jax")


def made(jax, *, bug=False):
    """A network whose activation has a rule of its own, and its parameters."""
    jnp = jax.numpy

    @jax.custom_vjp
    def softplus(x):
        return jnp.log1p(jnp.exp(x))

    def back(x, g):
        slope = jax.nn.sigmoid(x)
        return (g * slope * (1 - slope if bug else 1),)

    softplus.defvjp(lambda x: (softplus(x), x), back)

    def loss(params, X, y):
        hidden = softplus(X @ params["W1"] + params["b1"])
        return jnp.mean((hidden @ params["W2"] - y) ** 2)

    key = jax.random.key(0)
    params = {
        "W1": jax.random.normal(key, (4, 5)),
        "b1": jnp.zeros(5),
        "W2": jax.random.normal(key, (5, 2)),
    }
    return loss, params


def batch(jax):
    return jax.numpy.asarray(X), jax.numpy.asarray(Y)


@pytest.mark.parametrize("compiled", [False, True])
def test_value_and_grad_is_an_objective_as_it_stands(jax, compiled):
    for bug in (False, True):
        loss, params = made(jax, bug=bug)
        function = jax.value_and_grad(loss)
        function = jax.jit(function) if compiled else function
        report = check_gradients(function, params, batch=batch(jax))
        assert report.failing == (("b1", "W1") if bug else ()) or set(report.failing) == {
            "W1",
            "b1",
        }
        assert report.passed is not bug


def test_a_loss_and_its_grad_may_be_passed_apart(jax):
    loss, params = made(jax)
    assert check_gradients(loss, params, batch=batch(jax), gradient=jax.grad(loss)).passed


def test_the_adapter_checks_in_float64_and_puts_the_flag_back(jax, verdicts):
    from gradhook.integrations import jax_value_and_grad

    loss, params = made(jax)
    step = jax.jit(jax.value_and_grad(loss))
    check = jax_value_and_grad.attach(step, lambda: params, schedule=2, enabled=True)
    for number in range(1, 5):
        _, gradients = step(params, *batch(jax))
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, gradients)
        check.on_step_end(number, batch=batch(jax))
    assert verdicts(check) == [(1, "PASS"), (2, "PASS"), (4, "PASS")]
    assert check.last_report.ratio_error < 1e-6
    assert not jax.config.jax_enable_x64
    assert params["W1"].dtype == np.float32


def test_the_adapter_finds_a_wrong_rule(jax):
    from gradhook.integrations import jax_value_and_grad

    loss, params = made(jax, bug=True)
    check = jax_value_and_grad.attach(
        jax.value_and_grad(loss), params, on_fail="record", enabled=True
    )
    report = check.on_train_begin(batch=batch(jax))
    assert set(report.failing) == {"W1", "b1"}
