"""Something changed, both derivatives measured anew, and all put back."""

import numpy as np
import pytest

from gradhook.diagnosis.mismatch import Changed
from gradhook.difference.base import Estimate
from gradhook.evaluation.directions import random_direction
from gradhook.verdict.evidence import Probe

RNG = np.random.default_rng(0)
X, y = RNG.normal(size=(7, 5)), RNG.normal(size=7)
PARAMETERS = {"w": RNG.normal(size=5), "c": np.array([2.0, 1.0])}


def function(p, X, y, *, reg=0.1):
    """Right but for the penalty, which the gradient counts twice."""
    if not np.all(X < 100):
        raise ValueError("outside the domain")
    r = X @ p["w"] - y
    loss = 0.5 * r @ r + 0.5 * reg * p["w"] @ p["w"] + np.sin(p["c"]).sum()
    return loss, {"w": X.T @ r + 2 * reg * p["w"], "c": np.cos(p["c"])}


def test_what_is_changed_is_measured_and_then_everything_is_as_it_was(inside):
    def ask(mismatch):
        workspace = mismatch.evaluator.workspace
        arrays = {name: array.copy() for name, array in workspace.arrays.items()}
        before = arrays, mismatch.evaluator.batch, list(mismatch.evaluator.switches)
        (off,) = mismatch.without("penalty")
        settings = [
            {},
            {"switches": off},
            {"batch": mismatch.with_rows([0, 1])},
            {"values": {"c": np.zeros(2)}, "probes": 0},
            {"batch": (np.full((7, 5), 1e9), y)},
        ]
        seen = [mismatch.revisit(["w"], **setting) for setting in settings]
        seen.insert(3, mismatch.at_other_weights(["w"]))
        for name, array in before[0].items():
            np.testing.assert_array_equal(workspace.arrays[name], array)
        assert (mismatch.evaluator.batch, mismatch.evaluator.switches) == before[1:]
        gone = [mismatch.vanishes(each, ["w"], additive=True) for each in seen]
        here = seen[0].gradients["c"], seen[4].gradients["c"]
        return gone, here, [each and len(each.probes) for each in seen], seen[3].values["w"]

    gone, (c, zero), probes, moved = inside(function, PARAMETERS, (X, y), ask, penalty="reg")
    assert gone == [False, True, False, False, False, False]
    np.testing.assert_array_equal(zero, np.ones(2))
    assert not np.array_equal(c, zero)
    assert probes == [2, 2, 2, 2, 0, None]
    assert not np.array_equal(moved, PARAMETERS["w"])


def test_it_comes_back_when_the_functions_raise_too(inside):
    def ask(mismatch):
        batch = mismatch.evaluator.batch
        with pytest.raises(ValueError, match="outside"), mismatch.changed(batch=(X + 1e3, y)):
            mismatch.evaluator.loss()
        return mismatch.evaluator.batch is batch

    assert inside(function, PARAMETERS, (X, y), ask, penalty="reg")


def test_switches_of_a_role_are_turned_off_one_by_one(synthetic, switch):
    first, second, other = switch("penalty"), switch("penalty"), switch("dropout")
    mismatch = synthetic(X[0], X[1], switches=[first, other, switch("penalty", always_off=True)])
    mismatch.free = (second, switch("dropout"))
    turned = list(mismatch.without("penalty"))
    assert turned[0][:2] == [(first, "off"), (other, "on")]
    assert turned[1][-1] == (second, "off")
    assert len(turned) == 2


def seen(analytic, slope, error=1e-9, **fields):
    probe = Probe(analytic, Estimate(slope, error, 1e-6))
    parts = [("W", random_direction(X.size, 0), 1.0)]
    return Changed({"W": X}, (probe,), (parts,), **fields)


@pytest.mark.parametrize(
    ("here", "plain", "additive"),
    [
        (seen(2.0, 2.0), True, True),
        (seen(2.0, 2.0 + 1e-5), True, True),  # what may lie beside a fault of a tenth, and more
        (seen(2.0, 2.0 + 2e-3), False, False),
        (seen(2.0, 2.0, error=0.1), False, False),  # the fault could hide in the error
        (seen(0.0, 0.0), False, True),  # nothing is left that could show a share of it
        (Changed({}, ()), False, False),
        (None, False, False),
    ],
    ids=["equal", "beside", "apart", "coarse", "zero", "no probe", "outside the domain"],
)
def test_a_fault_has_vanished_only_where_it_would_show(synthetic, here, plain, additive):
    mismatch = synthetic(X, 1.5 * X)
    assert mismatch.vanishes(here, ["W"]) is plain
    assert mismatch.vanishes(here, ["W"], additive=True) is additive
