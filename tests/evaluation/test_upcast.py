"""Float32 in place: float64 where the objective reads it, as it was where it does not."""

from types import SimpleNamespace

import numpy as np
import pytest

from gradhook import Objective, check_gradients


class Layered:
    """Float32 weights listed in ``params`` and held by the layers; a small start."""

    def __init__(self, *, decay=0.0, scale=0.01, reads=("W1", "W2"), wrong=1.0):
        rng = np.random.default_rng(0)
        self.W1 = (scale * rng.normal(size=(8, 5))).astype(np.float32)
        self.W2 = (scale * rng.normal(size=(5, 8))).astype(np.float32)
        self.params = {"W1": self.W1, "W2": self.W2}
        self.decay, self.reads, self.wrong = decay, reads, wrong

    def weight(self, name):
        return self.params[name] if name in self.reads else getattr(self, name)

    def loss(self, x, t):
        self.h = x @ self.weight("W1")
        s = self.h @ self.weight("W2")
        p = np.exp(s)
        self.p = p / p.sum(1, keepdims=True)
        squares = sum((w.astype(float) ** 2).sum() for w in self.params.values())
        return -np.log(self.p[np.arange(len(t)), t]).mean() + 0.5 * self.decay * squares

    def gradient(self, x, t):
        d = self.p.copy()
        d[np.arange(len(t)), t] -= 1
        d /= len(t)
        data = {"W1": x.T @ (d @ self.weight("W2").T), "W2": self.h.T @ d}
        return {n: self.wrong * g + self.decay * self.params[n] for n, g in data.items()}


ONE_HOT = np.eye(8)[np.random.default_rng(1).integers(0, 8, 20)]
LABELS = np.random.default_rng(2).integers(0, 8, 20)


def test_a_mapping_that_is_read_holds_float64_meanwhile():
    network = Layered(scale=0.1)
    # In float32, of eps 1.2e-7, no central difference resolves 1e-7.
    assert check_gradients(network, batch=(ONE_HOT, LABELS)).blocks["W1"].ratio_error < 1e-7
    assert network.params["W1"] is network.W1
    assert network.W1.dtype == np.float32


def test_a_loss_that_refuses_float64_is_checked_in_float32():
    network = Layered(scale=0.1)

    def loss(x, t):
        assert network.params["W1"].dtype == np.float32, "float32 only"
        return Layered.loss(network, x, t)

    objective = Objective(
        parameters=network.params, loss=loss, gradients=network.gradient, form="in_place"
    )
    assert check_gradients(objective, batch=(ONE_HOT, LABELS)).verdict == "PASS"


@pytest.mark.parametrize("reads", [(), ("W1",), ("W2",), ("W1", "W2")])
@pytest.mark.parametrize("decay", [0.0, 1e-4, 1e-2, 0.1])
@pytest.mark.parametrize("scale", [0.01, 0.1])
def test_right_code_passes_whatever_of_it_reads_the_mapping(reads, decay, scale):
    network = Layered(decay=decay, scale=scale, reads=reads)
    report = check_gradients(network, batch=(ONE_HOT, LABELS))
    assert report.verdict == "PASS"
    if len(reads) == 2:  # every block is read through the mapping: float64 meanwhile
        assert not any("resolution" in block.sentence for block in report.blocks.values())
    assert network.params["W1"] is network.W1


@pytest.mark.parametrize("reads", [(), ("W1",), ("W1", "W2")])
@pytest.mark.parametrize("decay", [0.0, 1e-2])
def test_wrong_code_fails_whatever_of_it_reads_the_mapping(reads, decay):
    network = Layered(decay=decay, scale=0.1, reads=reads, wrong=1.1)
    assert check_gradients(network, batch=(ONE_HOT, LABELS)).verdict == "FAIL"


@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_a_bias_before_a_normalisation_does_not_keep_a_network_in_float32(factor):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((60, 5)), rng.standard_normal(60)
    net = SimpleNamespace(
        params={
            "W": rng.standard_normal((5, 6)).astype(np.float32),
            "b": np.zeros(6, np.float32),
            "v": rng.standard_normal(6).astype(np.float32),
        }
    )

    def loss_and_gradients(X, y):
        W, b, v = net.params.values()
        z = X @ W + b
        deviation = np.sqrt(z.var(0) + 1e-5)
        h = (z - z.mean(0)) / deviation
        r = np.tanh(h) @ v - y
        dh = np.outer(r, v) / len(y) * (1 - np.tanh(h) ** 2)
        dz = (dh - dh.mean(0) - h * (dh * h).mean(0)) / deviation
        gradients = {"W": factor * X.T @ dz, "b": dz.sum(0), "v": np.tanh(h).T @ r / len(y)}
        return 0.5 * float(np.mean(r * r)), gradients

    report = check_gradients(loss_and_gradients, net.params, batch=(X, y), progress=False)
    assert report.blocks["W"].verdict == ("PASS" if factor == 1.0 else "FAIL")
    assert report.blocks["v"].ratio_error < 1e-6  # in float32 nothing resolves that
    assert report.blocks["b"].verdict == "UNTESTED"
    assert net.params["W"].dtype == np.float32
