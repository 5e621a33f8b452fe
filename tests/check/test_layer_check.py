"""A layer by itself: two cotangents, one report."""

import numpy as np

from gradhook.check import check as module
from gradhook.check.check import check, layer_check

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=3)


def forward(x, W, b):
    return x @ W + b, (x, W)


def checked(backward, **options):
    return layer_check(forward, backward, X, {"W": W, "b": B}, progress=False, **options)


def right(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, dy.sum(0)


def test_both_cotangents_are_paid_for_in_one_report(monkeypatch):
    made = []
    monkeypatch.setattr(module, "check", lambda *args: made.append(check(*args)) or made[-1])
    report = checked(right, seed=3)
    assert report.passed
    assert [each.effort for each in made] == ["standard", "quick"]
    assert list(report.blocks) == ["x", "W", "b"]
    assert report.boundary == ""
    assert report.evaluations == sum(each.evaluations for each in made)
    assert report.gradient_evaluations == sum(each.gradient_evaluations for each in made)
    assert report.call == "layer_check(forward, right, X, {'W': W, 'b': B}, seed=3)"
