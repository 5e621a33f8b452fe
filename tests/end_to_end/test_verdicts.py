"""What a user is told, from small right and wrong programs."""

import functools
import itertools
import math

import numpy as np
import pytest

import gradhook
from gradhook import GradCheckCallback, Tolerance, check_gradients


def network(sizes=(6, 8, 5, 3), *, seed=0, weight=None, rows=9):
    """Parameters, inputs and labels of a small classifier; ``weight`` scales a notebook's start."""
    rng = np.random.default_rng(seed)
    parameters = {}
    for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes), 1):
        scale = weight if weight is not None else 1 / math.sqrt(n_in)
        parameters[f"W{k}"] = scale * rng.standard_normal((n_in, n_out))
        parameters[f"b{k}"] = np.zeros(n_out) if weight else 0.1 * rng.standard_normal(n_out)
    X = rng.standard_normal((rows, sizes[0]))
    return parameters, X, rng.integers(0, sizes[-1], rows)


def loss_and_gradients(parameters, X, y, *, activation="tanh", l2=0.05, bug=False):
    """Softmax classifier with two hidden layers and an L2 penalty; ``bug`` loses ``b2``."""
    p, n = parameters, len(y)
    act, slope = {
        "tanh": (np.tanh, lambda z, a: 1 - a**2),
        "relu": (lambda z: np.maximum(z, 0), lambda z, a: (z > 0) * 1.0),
    }[activation]
    z1 = X @ p["W1"] + p["b1"]
    a1 = act(z1)
    z2 = a1 @ p["W2"] + p["b2"]
    a2 = act(z2)
    scores = a2 @ p["W3"] + p["b3"]
    scores = scores - scores.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(scores).sum(axis=1))
    weights = [p[k] for k in ("W1", "W2", "W3")]
    loss = (log_sum - scores[np.arange(n), y]).mean() + 0.5 * l2 * sum(
        (w**2).sum() for w in weights
    )
    d = np.exp(scores - log_sum[:, None])
    d[np.arange(n), y] -= 1
    d /= n
    gradients = {"W3": a2.T @ d, "b3": d.sum(axis=0)}
    d = d @ p["W3"].T * slope(z2, a2)
    gradients |= {"W2": a1.T @ d, "b2": d.sum(axis=0)}
    d = d @ p["W2"].T * slope(z1, a1)
    gradients |= {"W1": X.T @ d, "b1": d.sum(axis=0)}
    for k in ("W1", "W2", "W3"):
        gradients[k] = gradients[k] + l2 * p[k]
    if bug:
        gradients["b2"] = np.zeros_like(p["b2"])
    return loss, gradients


def blamed(report):
    return {name for name, block in report.blocks.items() if block.verdict in ("FAIL", "WARN")}


@pytest.mark.parametrize("effort", ["standard", "exhaustive"])
def test_a_right_smooth_network_agrees_to_1e_7(effort):
    parameters, X, y = network()
    report = check_gradients(loss_and_gradients, parameters, batch=(X, y), effort=effort)
    assert report.verdict == "PASS"
    assert report.ratio <= 1e-7


def test_standard_effort_gives_the_parts_that_it_located_and_their_relative_errors():
    parameters, X, y = network()

    def two_parts_wrong(p, X, y):
        loss, gradients = loss_and_gradients(p, X, y)
        gradients["W1"][2, 3] *= 1.5
        gradients["W2"][:, 1] *= 3
        return loss, gradients

    report = check_gradients(two_parts_wrong, parameters, batch=(X, y))
    ((part, error),) = report.blocks["W1"].wrong_parts
    assert part == (slice(2, 3), slice(3, 4))
    assert error == pytest.approx(1 / 3, rel=1e-6)
    ((part, error),) = report.blocks["W2"].wrong_parts
    assert part == (slice(0, parameters["W2"].shape[0]), slice(1, 2))
    # The norm of what is left of a column is measured along one random direction.
    assert 0.2 < error <= 1
    assert report.blocks["b1"].wrong_parts == ()


@pytest.mark.parametrize("where", ["columns", "below its diagonal"])
def test_standard_effort_gives_the_elements_that_a_cause_or_a_split_tells(where):
    parameters, X, y = network()
    wrong = np.tri(*parameters["W1"].shape, -1) > 0
    if where == "columns":
        wrong = np.zeros(parameters["W1"].shape, dtype=bool)
        wrong[:, [1, 3]] = True

    def part_wrong(p, X, y):
        loss, gradients = loss_and_gradients(p, X, y)
        gradients["W1"][wrong] *= 0 if where == "columns" else 2
        return loss, gradients

    report = check_gradients(part_wrong, parameters, batch=(X, y))
    seen = np.zeros(wrong.shape, dtype=bool)
    for part, error in report.blocks["W1"].wrong_parts:
        seen[part] = True
        assert 0.3 < error <= 1
    np.testing.assert_array_equal(seen, wrong)
    said = report.causes[0].sentence if where == "columns" else report.blocks["W1"].where
    assert where in said


def test_exhaustive_effort_gives_the_worst_element_and_the_textbook_number():
    parameters, X, y = network()

    def one_wrong(p, X, y):
        loss, gradients = loss_and_gradients(p, X, y)
        gradients["W1"][2, 3] *= 1.5
        return loss, gradients

    report = check_gradients(one_wrong, parameters, batch=(X, y), effort="exhaustive")
    block = report.blocks["W1"]
    assert block.worst.index == (2, 3)
    assert block.worst.analytic / block.worst.numerical == pytest.approx(1.5, rel=1e-6)
    assert block.relative_errors[2, 3] == pytest.approx(1 / 3, rel=1e-6)
    right = report.blocks["W2"]
    # Two-sided differences at 1e-7 leave rounding of 1e-16 / 1e-7 on each of 40 elements.
    assert 1e-11 < right.textbook_ratio < 1e-7
    assert report.textbook_ratio > 1e-3


@pytest.mark.parametrize("seed", range(10))
def test_right_relu_code_with_zero_rows_and_zero_biases_never_fails(seed):
    parameters, X, y = network(seed=seed, weight=0.01)
    X[:4] = 0
    function = functools.partial(loss_and_gradients, activation="relu")
    for points in (None, ("current",)):
        report = check_gradients(function, parameters, batch=(X, y), seed=seed, points=points)
        assert {str(b.verdict) for b in report.blocks.values()} <= {"PASS", "KINK", "UNTESTED"}
    assert "KINK" in {str(b.verdict) for b in report.blocks.values()}
    assert report.verdict == "KINK"


def test_a_tie_with_opposite_kinks_is_no_bug():
    def both_ways(x):
        return float(np.maximum(x, 0).sum() - np.maximum(-x, 0).sum()), (x > 0) * 1.0 + (x < 0)

    report = check_gradients(both_ways, np.zeros(4))
    assert report.passed
    alone = check_gradients(both_ways, np.zeros(4), points=("current",))
    assert alone.blocks["x"].verdict == "KINK"
    assert (alone.causes, alone.boundary) == ((), "")
    assert not alone.passed  # nothing was judged right


def near_kinks(seed, spread):
    """A network of 12 000 weights, dozens of whose units sit within ``spread`` of their kink."""
    rng = np.random.default_rng(seed)
    parameters, X, y = network((64, 120, 40, 10), seed=seed, rows=7)
    h = X
    for k in (1, 2):
        z = h @ parameters[f"W{k}"] + parameters[f"b{k}"]
        for unit in np.flatnonzero(rng.random(z.shape[1]) < 0.3):
            row = rng.integers(len(z))
            parameters[f"b{k}"][unit] -= z[row, unit] - spread * rng.standard_normal()
        h = np.maximum(h @ parameters[f"W{k}"] + parameters[f"b{k}"], 0)
    return parameters, X, y


@pytest.mark.parametrize("spread", [0.0, 1e-8, 1e-6, 1e-5, 1e-4])
def test_units_close_to_their_kink_make_no_false_alarm_and_hide_no_bug(spread):
    parameters, X, y = near_kinks(3, spread)
    right = functools.partial(loss_and_gradients, activation="relu", l2=0.0)
    report = check_gradients(right, parameters, batch=(X, y), points=("current",))
    assert report.verdict in ("PASS", "KINK")
    wrong = functools.partial(right, bug=True)
    report = check_gradients(wrong, parameters, batch=(X, y))
    assert blamed(report) == {"b2"}


def linear(parameters, X, y):
    r = X @ parameters["w"] - y
    return 0.5 * np.mean(r**2), {"w": X.T @ r / len(y)}


def regression():
    rng = np.random.default_rng(0)
    return {"w": rng.standard_normal(5)}, rng.standard_normal((20, 5)), rng.standard_normal(20)


def test_a_generator_out_of_reach_is_inconclusive_never_a_wrong_gradient_with_a_cause():
    parameters, X, y = regression()
    hidden = iter(np.random.default_rng(0).random, None)

    def noisy(p, X, y):
        loss, gradients = linear(p, X, y)
        return loss * (1 + 0.1 * next(hidden)), {"w": 2 * gradients["w"]}

    report = check_gradients(noisy, parameters, batch=(X, y))
    assert report.verdict == "INCONCLUSIVE"
    assert "generator not reachable: " in report.blocks["w"].sentence
    assert "if it draws from callable_iterator 'hidden', which" in report.blocks["w"].sentence
    assert "state=" in report.blocks["w"].sentence
    assert (report.causes, report.boundary) == ((), "")


def test_a_loss_that_raises_outside_its_domain_is_checked_inside_it():
    def gaussian(p, x):
        if p["variance"] <= 0.9:
            raise ValueError("variance out of bounds")
        r = x - p["mean"]
        v = p["variance"]
        loss = 0.5 * np.mean(r**2) / v + 0.5 * np.log(v)
        return loss, {"mean": -np.mean(r) / v, "variance": -0.5 * np.mean(r**2) / v**2 + 0.5 / v}

    x = np.random.default_rng(0).standard_normal(7)
    report = check_gradients(gaussian, {"mean": 0.3, "variance": 0.95}, batch=(x,))
    assert report.verdict == "PASS"


def test_fixed_blocks_stay_where_they_are(tmp_path):
    record = tmp_path / "visited"  # a list would be put back to what it was before the check

    def loss(p):
        with record.open("a") as file:
            file.write(f"{float(p['log_sigma'])}\n")
        w, e = p["w"], np.exp(p["log_sigma"])
        return np.sum(w**2) * e, {"w": 2 * w * e, "log_sigma": np.sum(w**2) * e}

    parameters = {"w": np.ones(3), "log_sigma": np.array(-2.0)}
    assert check_gradients(loss, parameters, fixed=("log_sigma",), points=("generic",)).passed
    visited = np.loadtxt(record)
    # Probed by small steps of at most a tenth of its size, both ways, and never displaced.
    assert 0 < np.abs(visited + 2.0).max() <= 0.4 + 1e-12


def test_a_gradient_that_accumulates_is_wrong_at_its_second_call():
    parameters, X, y = regression()
    buffer = np.zeros(5)

    def accumulating(p, X, y):
        loss, gradients = linear(p, X, y)
        buffer[:] += gradients["w"]
        return loss, {"w": buffer}

    report = check_gradients(accumulating, parameters, batch=(X, y))
    assert report.verdict == "FAIL"
    assert [cause.kind for cause in report.causes] == ["accumulated"]
    assert not buffer.any()


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e9])
def test_neither_unit_nor_offset_of_the_loss_makes_a_false_alarm(unit, offset):
    parameters, X, y = network()

    def rescaled(p, X, y):
        loss, gradients = loss_and_gradients(p, X, y)
        return unit * (loss + offset), {k: unit * g for k, g in gradients.items()}

    assert check_gradients(rescaled, parameters, batch=(X, y)).passed


def test_badly_scaled_blocks_are_judged_each_at_its_own_scale():
    rng = np.random.default_rng(0)
    parameters = {"small": 1e-5 * rng.standard_normal(6), "large": 1e5 * rng.standard_normal(6)}

    def loss(p, factor=1.0):
        u, v = 1e5 * p["small"], 1e-5 * p["large"]
        value = np.sum(np.sin(u) * np.cos(v))
        return value, {
            "small": 1e5 * np.cos(u) * np.cos(v),
            "large": -1e-5 * factor * np.sin(u) * np.sin(v),
        }

    assert check_gradients(loss, parameters).verdict == "PASS"
    report = check_gradients(functools.partial(loss, factor=1.1), parameters)
    assert blamed(report) == {"large"}


def in_float32(p, X, y, **keywords):
    """The same network computed in float32, without its penalty."""
    coarse = {name: value.astype(np.float32) for name, value in p.items()}
    return loss_and_gradients(coarse, X.astype(np.float32), y, l2=np.float32(0), **keywords)


def test_wide_relu_networks_in_float32_of_which_every_step_crosses_kinks_are_judged():
    verdicts = []
    for seed in range(6):
        parameters, X, y = network((20, 500, 10, 4), seed=seed)
        relu = functools.partial(in_float32, activation="relu")
        report = check_gradients(relu, parameters, batch=(X, y), seed=seed)
        verdicts.append(report.verdict)
        if report.verdict == "INCONCLUSIVE":
            fewer = check_gradients(relu, parameters, batch=(X, y), seed=seed, samples=2)
            assert fewer.verdict == "PASS"
    assert not {"FAIL", "WARN"} & set(verdicts)
    assert verdicts.count("PASS") >= 3  # a right one in four is seen to a little more than 1e-2


def test_a_large_penalty_does_not_mask_a_wrong_data_gradient():
    parameters, X, y = network()

    def masked(p, X, y, *, l2=1e6):
        loss, gradients = loss_and_gradients(p, X, y, l2=l2, bug=True)
        gradients["W1"] = gradients["W1"] + 1e-3 * np.abs(p["W1"])
        return loss, gradients

    report = check_gradients(masked, parameters, batch=(X, y), penalty="l2")
    assert blamed(report) == {"W1", "b2"}


def test_looser_thresholds_are_honoured():
    def loss(x):
        return float(x @ x), 2 * x * (1 + 1e-3)

    assert check_gradients(loss, np.ones(9)).verdict == "FAIL"
    assert check_gradients(loss, np.ones(9), tolerance=Tolerance(fail=1e-2)).verdict == "WARN"


def test_one_sample_is_said_to_hide_sums_and_means():
    parameters, X, y = network(rows=1)
    report = check_gradients(loss_and_gradients, parameters, batch=(X, y))
    assert any("one sample" in sentence for sentence in report.coverage)


def test_an_embedding_without_repeated_index_is_said_to_hide_accumulation():
    def embedding(p, index, y):
        h = p["E"][index]
        r = h @ p["w"] - y
        dE = np.zeros_like(p["E"])
        dE[index] += np.outer(r, p["w"]) / len(y)  # right only where no index repeats
        return 0.5 * np.mean(r**2), {"E": dE, "w": h.T @ r / len(y)}

    rng = np.random.default_rng(0)
    parameters = {"E": rng.standard_normal((30, 4)), "w": rng.standard_normal(4)}
    y = rng.standard_normal(7)
    lucky = check_gradients(embedding, parameters, batch=(np.arange(7), y))
    assert lucky.passed
    assert any("no index repeats" in sentence for sentence in lucky.coverage)
    assert not check_gradients(embedding, parameters, batch=(np.array([1, 1, 2, 3, 4, 5, 5]), y))


def test_a_callback_whose_tester_fails_refuses_to_report(monkeypatch):
    parameters, X, y = network()
    monkeypatch.setattr(
        gradhook.callback.callback, "selftest", lambda: ["a right gradient was judged FAIL"]
    )
    check = GradCheckCallback(loss_and_gradients, parameters, batch=(X, y), enabled=True)
    with pytest.warns(gradhook.GradCheckWarning, match="self-test failed"):
        report = check.on_train_begin()
    assert report.verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (np.s_[2, 3], "at W1[2, 3], where"),
        (np.s_[:, 1], "at W1[:, 1], where"),
        (([0, 2, 2], [0, 1, 3]), "at W1[0, 0] and 2 other elements, where"),
    ],
)
def test_elements_of_the_gradient_that_are_not_finite_are_named(spoil, said):
    parameters, X, y = network()

    def spoiled(p, X, y):
        loss, gradients = loss_and_gradients(p, X, y)
        gradients["W1"][spoil] = np.nan
        return loss, gradients

    report = check_gradients(spoiled, parameters, batch=(X, y))
    assert report.blocks["W1"].verdict == "FAIL"
    assert said in report.blocks["W1"].sentence


@pytest.mark.parametrize("size", [1e-9, 1e-12, 1e-18, 1e-30])
@pytest.mark.parametrize("factor", [1.0, 0.0, 3.0])
def test_a_bias_of_next_to_nothing_is_judged_as_one_of_zero(size, factor):
    parameters, X, y = network()
    parameters["b1"] = size * np.random.default_rng(0).normal(size=parameters["b1"].shape)

    def wrong(p, X, y):
        loss, gradients = loss_and_gradients(p, X, y)
        return loss, {**gradients, "b1": factor * gradients["b1"]}

    report = check_gradients(wrong, parameters, batch=(X, y))
    assert report.blocks["b1"].verdict == ("PASS" if factor == 1.0 else "FAIL")


def test_gradients_that_drop_units_beside_a_loss_that_does_not_are_told_so():
    parameters, X, y = network()
    masks = np.random.default_rng(0)

    def gradients(p, X, y):
        return loss_and_gradients(p, X * (masks.random(X.shape) < 0.5), y)[1]

    def loss(p, X, y):
        return loss_and_gradients(p, X, y)[0]

    report = check_gradients(loss, parameters, gradient=gradients, batch=(X, y), state=masks)
    assert report.verdict == "FAIL"
    assert any(
        note.startswith("the gradients draw random numbers and the") for note in report.notes
    )
