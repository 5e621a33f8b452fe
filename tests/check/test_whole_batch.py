"""The whole batch has the last word on what a few rows said."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from gradhook import UnreadParametersError, Verdict, check_gradients
from gradhook.check import whole_batch
from gradhook.check.whole_batch import merged
from gradhook.report import Finding


def regression(n=60, *, bug=None):
    """Least squares on many rows."""
    rng = np.random.default_rng(9)
    X, y = rng.standard_normal((n, 5)), rng.standard_normal(n)
    X[-1, 0] = 50.0  # one row like no other

    def loss_and_gradients(p, X, y):
        r = X @ p["w"] + p["b"] - y
        weight = np.full(len(y), 1 / len(y))
        if bug == "constant":
            weight = np.full(len(y), 1 / n)
        loss = float((r * r * (1 / len(y))).sum())
        if bug == "rare row":
            weight = weight * (np.abs(X[:, 0]) < 10)
        return loss, {"w": 2 * X.T @ (weight * r), "b": np.array([2 * (weight * r).sum()])}

    parameters = {"w": rng.standard_normal(5), "b": np.ones(1)}
    return check_gradients(loss_and_gradients, parameters, batch=(X, y), progress=False)


def test_right_code_costs_one_joint_probe_more():
    report = regression()
    assert report.passed
    assert report.notes == ()
    assert report.evaluations <= 12 * 2 + 24 + 20


def test_a_bug_of_rows_that_were_not_drawn_is_found_on_the_whole_batch():
    report = regression(bug="rare row")
    assert report.verdict == "FAIL"
    assert any(
        "right on the 7 rows drawn first, wrong on the whole batch" in n for n in report.notes
    )


def test_an_objective_that_cannot_be_cut_is_right_on_the_whole_batch_and_told_so():
    report = regression(bug="constant")
    assert report.passed
    assert any("uses something of the whole batch" in note for note in report.notes)


def test_functions_that_do_not_take_the_whole_batch_leave_what_the_rows_said():
    def small_only(p, X):
        if len(X) > 10 and np.any(p["w"] != 1.0):
            raise MemoryError
        r = X @ p["w"]
        return float(r @ r), {"w": 2 * X.T @ r}

    X = np.random.default_rng(1).standard_normal((40, 3))
    report = check_gradients(small_only, {"w": np.ones(3)}, batch=(X,), progress=False)
    assert report.passed
    assert any("could not be held against the 7 rows" in said for said in report.coverage)


def test_a_result_remembered_of_the_whole_batch_is_no_note_under_a_pass():
    X, p, memo = np.random.default_rng(1).standard_normal((40, 3)), {"w": np.ones(3)}, {}

    def of_this_batch(p, X):
        r = X @ p["w"]
        return memo.setdefault(id(X), (float(r @ r), {"w": 2 * X.T @ r}))

    of_this_batch({"w": np.zeros(3) + 2}, X)  # a step of the loop
    with pytest.raises(UnreadParametersError, match="a result kept from earlier"):
        check_gradients(of_this_batch, p, batch=(X,))


def record(verdict, ratio, error=0.0):
    """A check of one block, judged on seven rows of twenty."""
    finding = Finding("generic point", Verdict(verdict), ratio=ratio, ratio_error=error)
    return SimpleNamespace(
        evaluator=SimpleNamespace(workspace=SimpleNamespace(names=["W"])),
        rows=SimpleNamespace(count=7, total=20),
        findings_of=lambda name: [finding],
        verdict_of=lambda name: finding.verdict,
        findings={},
        kept={},
        notes=[],
    )


def test_what_the_whole_batch_cannot_judge_keeps_what_the_rows_said():
    every = merged(record("PASS", 1e-9), record("INCONCLUSIVE", math.nan))
    assert [f.verdict for f in every.kept["W"]] == ["PASS"]
    assert "too coarse" in every.notes[0]


def test_a_coarse_pass_takes_no_mismatch_back():
    every = merged(record("FAIL", 5e-3), record("PASS", 9e-4, 4e-4))
    assert [f.verdict for f in every.kept["W"]] == ["FAIL"]
    sharp = merged(record("FAIL", 5e-3), record("PASS", 1e-8, 1e-7))
    assert not sharp.kept
    assert "right on the whole batch of 20, wrong on 7 rows" in sharp.notes[0]


def test_a_joint_mismatch_that_is_noise_says_nothing(monkeypatch):
    monkeypatch.setattr(whole_batch, "is_noise", lambda *_: True)
    report = regression(bug="rare row")
    assert report.passed
    assert any("over a longer step" in said for said in report.coverage)


def test_how_far_all_rows_were_seen_together_is_said_where_that_is_not_far():
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((400, 6)), 100 + rng.standard_normal(400)
    w = {"w": rng.standard_normal(6) / 3}

    def least_squares(p, X, y, *, kind):
        X, y, w = (each.astype(kind) for each in (X, y, p["w"]))
        r = X @ w - y
        return np.mean(r * r) / 2, {"w": X.T @ r / kind(len(y))}

    def said(kind):
        report = check_gradients(
            lambda p, X, y: least_squares(p, X, y, kind=kind), w, batch=(X, y), progress=False
        )
        assert report.passed
        return [line for line in report.coverage if "looked at together" in line]

    assert said(np.float64) == []
    (line,) = said(np.float32)
    assert line.startswith("the rows beside the 7 drawn were looked at together, to ")


@pytest.mark.parametrize("slight", [1e-5, 1e-2])
def test_a_mistake_of_rows_that_were_not_drawn_is_found_beside_another_on_those_drawn(slight):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(150, 4)), rng.normal(size=(150, 2))

    def loss_and_gradients(p, X, y):
        h = np.tanh(X @ p["W"])
        e = (h @ p["V"] - y) / len(X)
        d = e @ p["V"].T * (1 - h**2) * (1 + 9 * (X[:, :1] > 1.9))
        loss = 0.5 * len(X) * np.sum(e**2)
        return loss, {"W": X.T @ d, "V": (1 + slight) * h.T @ e}

    p = {"W": rng.normal(size=(4, 3)), "V": rng.normal(size=(3, 2))}
    report = check_gradients(loss_and_gradients, p, batch=(X, y))
    assert report.blocks["W"].verdict == "FAIL"
    assert report.blocks["V"].verdict in ("WARN", "FAIL")
