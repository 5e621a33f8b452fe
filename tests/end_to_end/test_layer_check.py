"""Single layers, right and wrong, of the shapes in which people write them."""

import numpy as np
import pytest

from gradhook import layer_check
from gradhook.errors import ObjectiveError

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


def test_a_backward_pass_that_ignores_the_upstream_gradient_is_named():
    def deaf(dy, x):
        return 1 - np.tanh(x) ** 2

    report = layer_check(lambda x: (np.tanh(x), x), deaf, X)
    assert report.verdict == "FAIL"
    assert [cause.kind for cause in report.causes] == ["upstream_ignored"]


@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_a_layer_that_holds_its_own_arrays_is_checked_in_place(factor):
    class Affine:
        def __init__(self):
            self.W, self.b = PARAMETERS["W"].copy(), PARAMETERS["b"].copy()

        def forward(self, x):
            self.x = x
            return x @ self.W + self.b

        def backward(self, dy):
            gradients = {"W": factor * self.x.T @ dy, "b": dy.sum(axis=0)}
            return dy @ self.W.T, gradients

    layer = Affine()
    before = layer.W.tobytes(), layer.b.tobytes()
    report = layer_check(layer.forward, layer.backward, X, {"W": layer.W, "b": layer.b})
    assert verdicts(report)["W"] == ("PASS" if factor == 1.0 else "FAIL")
    assert verdicts(report)["x"] == verdicts(report)["b"] == "PASS"
    assert (layer.W.tobytes(), layer.b.tobytes()) == before


def test_an_integer_input_has_no_block():
    def lookup(index, p):
        return p["E"][index], (index, p["E"].shape)

    def backward(dy, cache):
        gradient = np.zeros(cache[1])
        np.add.at(gradient, cache[0], dy)
        return None, {"E": gradient}

    E = RNG.standard_normal((5, 2))
    assert verdicts(layer_check(lookup, backward, np.array([1, 1, 3]), {"E": E})) == {"E": "PASS"}


def test_missing_parameter_gradients_are_asked_for():
    with pytest.raises(ObjectiveError, match="returned no gradients of the parameters"):
        layer_check(affine, lambda dy, cache: dy @ cache[1].T, X, PARAMETERS)
    with pytest.raises(ObjectiveError, match="which is the input's name"):
        layer_check(affine, affine_backward, X, {"x": X})
