"""Single layers, right and wrong, of the shapes in which people write them."""

import numpy as np

from gradhook import layer_check

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
PARAMETERS = {"W": RNG.standard_normal((3, 2)), "b": RNG.standard_normal(2)}


def affine(x, p):
    return x @ p["W"] + p["b"], (x, p["W"])


def affine_backward(dy, cache):
    x, W = cache
    return dy @ W.T, {"dW": x.T @ dy, "db": dy.sum(axis=0)}


def verdicts(report):
    return {name: str(block.verdict) for name, block in report.blocks.items()}


def test_a_right_layer_passes_in_its_input_and_in_every_parameter():
    report = layer_check(affine, affine_backward, X, PARAMETERS)
    assert verdicts(report) == {"x": "PASS", "W": "PASS", "b": "PASS"}
    assert report.causes == ()


def test_a_wrong_input_gradient_is_told_from_right_parameter_gradients():
    def untransposed(dy, cache):
        dx, gradients = affine_backward(dy, cache)
        return dx[::-1], gradients

    report = layer_check(affine, untransposed, X, PARAMETERS)
    assert verdicts(report) == {"x": "FAIL", "W": "PASS", "b": "PASS"}


def test_a_layer_without_parameters_needs_none():
    report = layer_check(np.tanh, lambda dy: dy * (1 - np.tanh(X) ** 2), X, points=("current",))
    assert verdicts(report) == {"x": "PASS"}
