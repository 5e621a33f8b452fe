"""Layers with ``__slots__``, and lists of sequences of unlike length."""

import numpy as np
import pytest

from gradhook import check_gradients


class Base:
    __slots__ = ("W",)


class Layer(Base):
    __slots__ = ("b", "dW", "db")

    def __init__(self):
        self.W, self.b = np.ones((3, 2)), np.zeros(2)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "PASS"), (1.1, "FAIL")])
def test_a_layer_with_slots_is_read_and_put_back(factor, verdict):
    layer, X = Layer(), np.random.default_rng(0).normal(size=(9, 3))

    def run(X):
        h = X @ layer.W + layer.b
        layer.dW, layer.db = factor * X.T @ h, h.sum(axis=0)
        return 0.5 * np.sum(h**2)

    before = layer.W.copy()
    report = check_gradients(run, [layer], batch=(X,))
    assert {n: str(b.verdict) for n, b in report.blocks.items()} == {
        "layers[0].W": verdict,
        "layers[0].b": "PASS",
    }
    np.testing.assert_array_equal(layer.W, before)
    assert not hasattr(layer, "dW")


def test_a_list_of_sequences_has_as_many_rows_as_sequences():
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(int(n), 3)) for n in rng.integers(2, 20, 12)]
    labels = rng.normal(size=12)

    def mean(p, sequences, labels):
        means = np.array([each.mean(axis=0) for each in sequences])
        error = means @ p["w"] - labels
        return 0.5 * np.mean(error**2), {"w": means.T @ error / len(labels)}

    report = check_gradients(mean, {"w": rng.normal(size=3)}, batch=(sequences, labels))
    assert report.verdict == "PASS"
    assert (len(report.rows), report.batch_rows) == (7, 12)
