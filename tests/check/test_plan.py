"""Settings beside the main one: which are made, what they show, and what is said in their place."""

import math

import numpy as np
import pytest

from gradhook import L2, check_gradients
from gradhook.check import plan

W = np.random.default_rng(0).normal(size=(4, 3))
X = np.random.default_rng(1).normal(size=(7, 4))


@pytest.fixture
def further(monkeypatch):
    """Return what the further settings of a check find wrong, by name, and what is said."""

    def made(function, **options):
        seen = []

        plain = plan._measure_further

        def spy(record, main):
            before = len(record.coverage)
            measured = plain(record, main)
            assert record.evaluator.switches == list(main.setting.switches)
            said = record.coverage[before:]
            seen.append(({m.setting.name: m.shows_wrong("W") for m in measured}, said))
            return measured

        monkeypatch.setattr(plan, "_measure_further", spy)
        check_gradients(function, {"W": W}, batch=X, progress=False, **options)
        return seen[0]

    return made


def penalised(share, *, wrong=1.0, without=True):
    """A data term of about 20 and a penalty of that share of it; ``wrong`` is its gradient's."""

    def function(p, X, reg=share):
        h = np.tanh(X @ p["W"])
        data = np.sum(2 + h) ** 2 / 100
        if reg == 0 and not without:
            if without is None:
                return math.nan, p
            raise ZeroDivisionError("1 / reg")
        g = 2 * np.sum(2 + h) / 100 * X.T @ (1 - h * h)
        return data + reg * np.sum(p["W"] ** 2), {"W": g + 2 * wrong * reg * p["W"]}

    return function


@pytest.mark.parametrize(
    ("share", "begins"), [(1e-3, "reg x "), (1.0, None), (1e3, "reg off"), (1e-20, "reg x 1000")]
)
def test_a_small_penalty_is_scaled_up_and_a_large_one_turned_off(further, share, begins):
    settings, said = further(penalised(share), penalty="reg")
    assert [name.startswith(f"generic point, {begins}") for name in settings] == [True] * (
        begins is not None
    )
    assert not any(settings.values())
    assert said == []


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (penalised(0.0), {"penalty": "reg"}, "the penalty was not exercised: reg is off in train"),
        (
            penalised(1e3, without=False),
            {"penalty": "reg"},
            "reg could not be looked at by itself: the loss raises, is not finite",
        ),
        (
            penalised(1e3, without=None),
            {"penalty": "reg"},
            "reg could not be looked at by itself: the loss raises, is not finite",
        ),
        (penalised(0.0), {"penalty": L2(1e-9)}, "of the loss: a mistake in its gradient would not"),
        (penalised(0.0), {"dropout": "reg"}, "dropout was not exercised: "),
    ],
    ids=["off", "outside the domain", "not finite", "given and small", "dropout off"],
)
def test_what_cannot_be_seen_is_said(further, function, options, said):
    settings, coverage = further(function, **options)
    assert settings == {}
    assert said in coverage[0]


@pytest.mark.parametrize("wrong", [False, True])
def test_dropout_is_run_once_with_its_mask_replayed(further, wrong):
    random = np.random.default_rng(5)

    def function(p, X, rate=0.5):
        keep = random.random((len(X), 3)) >= rate
        h = X @ p["W"] * keep
        return np.sum(h * h), {"W": X.T @ (2 * h * (1.0 if wrong else keep) + wrong * rate)}

    settings, said = further(function, dropout="rate")
    assert (settings, said) == ({"generic point, dropout replayed": wrong}, [])


def test_a_mask_that_cannot_be_replayed_is_said_with_the_remedy(further):
    stream = iter(np.random.default_rng(5).random((10_000, 7, 3)))

    def function(p, X, rate=0.5):
        h = X @ p["W"] * (next(stream)[: len(X)] >= rate)
        return np.sum(h * h), {"W": X.T @ (2 * h)}

    settings, said = further(function, dropout="rate")
    assert settings == {}
    assert said[0].endswith("pass state= the generator that draws a mask")
