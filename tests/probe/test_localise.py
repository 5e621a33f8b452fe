"""The wrong part of a block, in far fewer evaluations than it has elements."""

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.probe import localise

SHAPE = (64, 32)
W = np.random.default_rng(0).normal(size=SHAPE)


@pytest.mark.parametrize(
    "wrong",
    [
        np.s_[50, 3],
        ([5, 40], [30, 1]),
        np.s_[:, 7],
        np.s_[9],
        np.s_[:],
    ],
    ids=["element", "two elements", "column", "row", "everywhere"],
)
def test_the_wrong_part_is_found_in_few_evaluations(monkeypatch, wrong):
    seen = []

    def spy(prober, *args, **keywords):
        before = prober.evaluations
        found = localise.locate(prober, *args, **keywords)
        seen.append((found, prober.evaluations - before))
        return found

    monkeypatch.setattr("gradhook.diagnosis.mismatch.locate", spy)

    def function(p):
        g = np.cos(p["W"])
        g[wrong] += 0.5 + np.arange(g[wrong].size).reshape(g[wrong].shape) % 3
        return np.sum(np.sin(p["W"])), {"W": g}

    check_gradients(function, {"W": W}, progress=False)
    found, evaluations = seen[0]
    boxes = [
        tuple(range(n)[each] for each, n in zip(box, SHAPE, strict=True)) for box in found.boxes
    ]
    covered = np.zeros(SHAPE, dtype=bool)
    for rows, columns in boxes:
        covered[np.ix_(rows, columns)] = True
    expected = np.zeros(SHAPE, dtype=bool)
    if wrong != np.s_[:]:  # spread over the block
        expected[wrong] = True
    np.testing.assert_array_equal(covered, expected)
    assert evaluations < W.size / 5
