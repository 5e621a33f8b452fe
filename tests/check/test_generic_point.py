"""The connection test: flat is not unread, and unread is told from flat by the gradient."""

import numpy as np
import pytest

from gradhook import Objective, UnreadParametersError, Verdict, check_gradients

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(32, 6)), RNG.normal(size=(32, 4))
W = RNG.normal(size=(6, 4))


def masked(P, X, Y, m):
    r = (X @ P["W"] - Y) * m[:, None]
    n = max(m.sum(), 1)
    return 0.5 * (r**2).sum() / n, {"W": X.T @ (r * m[:, None]) / n}


def triplets(P, A, B, C):
    W = P["W"]
    dp, dn = A @ W - B @ W, A @ W - C @ W
    h = (dp**2).sum(1) - (dn**2).sum(1) + 0.5
    on = (h > 0)[:, None] / len(A)
    g = A.T @ (2 * on * (dp - dn)) - B.T @ (2 * on * dp) + C.T @ (2 * on * dn)
    return np.maximum(h, 0).mean(), {"W": g}


def hinge(P, X, s):
    margin = 1 - s * (X @ P["W"][:, 0])
    on = (margin > 0) * s
    g = np.zeros_like(P["W"])
    g[:, 0] = -X.T @ on / len(X)
    return np.maximum(margin, 0).mean(), {"W": g}


CASES = {
    "constant": (lambda P: (2.5, {"W": np.zeros((6, 4))}), ()),
    "all rows masked": (masked, (X, Y, np.zeros(32))),
    "easy triplets": (triplets, (X, X + 0.01, X + 20 * np.sign(RNG.normal(size=(32, 6))))),
    "satisfied hinge": (hinge, (100 * X, np.sign(X @ W[:, 0]))),
}


def flat_case(name):
    function, batch = CASES[name]
    if name == "satisfied hinge":  # all margins kept, and far from the kink
        keep = np.abs(X @ W[:, 0]) > 0.5
        batch = tuple(item[keep] for item in batch)
    return function, {"W": W.copy()}, batch


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("effort", ["quick", "standard"])
def test_a_flat_loss_with_a_gradient_of_zero_is_untested(name, effort):
    function, parameters, batch = flat_case(name)
    report = check_gradients(function, parameters, batch=batch, effort=effort)
    # A satisfied margin is judged at smaller weights, where it is not satisfied.
    judged = effort == "standard" and name in ("easy triplets", "satisfied hinge")
    assert report.verdict is (Verdict.PASS if judged else Verdict.UNTESTED)
    # The whole batch was asked before it was said that nothing can be told.
    assert (report.rows is None) is not judged


@pytest.mark.parametrize("share", [0.03, 0.1, 0.5])
@pytest.mark.parametrize("dtype", [float, np.float32, bool, int])
def test_rows_that_count_are_drawn_among_those_that_do_not(share, dtype):
    for seed in range(6):
        m = np.zeros(200, dtype)
        m[: int(200 * share)] = 1
        rng = np.random.default_rng(seed)
        batch = rng.normal(size=(200, 6)), rng.normal(size=(200, 4)), rng.permutation(m)
        report = check_gradients(masked, {"W": W}, batch=batch, seed=seed)
        assert report.verdict is Verdict.PASS
        assert len(report.rows) == 7
        assert 1 <= np.count_nonzero(batch[2][list(report.rows)]) < 7


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_loss_that_reads_a_copy_is_told_so_by_a_gradient_that_says_it_should_move(dtype):
    copy = {"W": W.astype(dtype)}
    with pytest.raises(UnreadParametersError, match="does not read what it is given"):
        check_gradients(
            lambda P, X, Y: masked(copy, X, Y, np.ones(len(X))),
            {"W": W.astype(dtype).copy()},
            batch=(X, Y),
        )


def test_a_gradient_of_rounding_does_not_make_a_flat_loss_unread():
    report = check_gradients(lambda w: (0.0, 1e-21 * w), np.ones(3))
    assert "the loss is flat around these weights" in report.coverage
    with pytest.raises(UnreadParametersError):
        check_gradients(lambda w: (0.0, 1e-5 * w), np.ones(3))


def one_class(p, X):
    """A softmax over one class; its loss is 0 everywhere."""
    z = X @ p["W"]
    q = np.exp(z - z.max(axis=1, keepdims=True))
    return -np.log(q / q.sum(axis=1, keepdims=True)).mean(), {"W": X.T @ q / len(X)}


def one_side(p, X):
    """A hinge that wants every score above 1; NaN satisfies it as well."""
    m = X @ p["W"]
    return np.where(m < 1, 1 - m, 0).mean(), {"W": -X.mean(axis=0)[:, None]}


class Keeps:
    """Weights, and statistics into which every pass writes; all that is bytes."""

    def __init__(self, function, W):
        self.W, self.dW, self.mean, self.function = W, np.zeros_like(W), np.ones(1), function

    def run(self, X):
        self.mean = 0.9 * self.mean + 0.1 * (X @ self.W).mean()
        loss, gradients = self.function({"W": self.W}, X)
        self.dW = gradients["W"]
        return loss

    def __bytes__(self):
        return self.W.tobytes() + self.mean.tobytes()


@pytest.mark.parametrize(("function", "W"), [(one_class, W[:, :1]), (one_side, np.full((1, 1), 9))])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_loss_that_stands_still_wherever_it_is_asked_is_read_and_its_gradient_wrong(
    function, W, dtype
):
    W, rows = W.astype(dtype), np.abs(X[:, : len(W)]) + 1
    for seed in range(4):
        report = check_gradients(function, {"W": W}, batch=(rows,), seed=seed)
        assert report.verdict is Verdict.FAIL
        assert report.blocks["W"].sentence.endswith("or is flat here")
        net = Keeps(function, W.copy())
        before = bytes(net)
        in_place = check_gradients(net.run, net, batch=(rows,), seed=seed)
        assert in_place.verdict is Verdict.FAIL
        assert bytes(net) == before


def test_an_array_in_place_that_the_loss_does_not_read_gets_no_ratio_and_no_story():
    W1, W2 = RNG.normal(size=(6, 5)), RNG.normal(size=(5, 4))
    left_behind = W1.copy()

    def run(X, Y):
        h = np.tanh(X @ W1)
        r = (h @ W2 - Y) / len(X)
        d = r @ W2.T * (1 - h * h)
        return 0.5 * len(X) * np.sum(r**2), {"W1": X.T @ d, "W2": h.T @ r}

    objective = Objective(
        parameters={"W1": left_behind, "W2": W2}, loss_and_gradients=run, form="in_place"
    )
    report = check_gradients(objective, batch=(X, Y))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.blocks["W1"].sentence.startswith(
        "the loss no longer reads this array; was `W1` rebound? Pass parameters=lambda: ..."
    )
    assert np.isnan(report.blocks["W1"].ratio)
    assert report.blocks["W2"].verdict is Verdict.PASS
    assert not report.causes
