"""A mismatch ends in a sentence that says where it is and why, or in none.

Small networks written here, with one mistake or two planted by hand.
"""

import functools
import itertools
import re

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from gradhook import L1, L2, Objective, check_gradients

ROWS = 7


def network(sizes=(6, 8, 8, 3), seed=0):
    """Parameters of a tanh network with biases that are not zero, and a batch."""
    rng = np.random.default_rng(seed)
    parameters = {}
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        parameters[f"W{layer}"] = rng.normal(size=(inputs, outputs)) / inputs**0.5
        parameters[f"b{layer}"] = 0.3 * rng.normal(size=outputs)
    return parameters, (rng.normal(size=(ROWS, sizes[0])), rng.normal(size=(ROWS, sizes[-1])))


class Gradients(dict):
    """Gradients that know of how many rows they are."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows


def backward(p, X, T, *, l2=0.0, held=None, biased=False, edit=None, spoil=None):
    """Mean squares and their gradients; ``edit(site, delta)`` and ``spoil(gradients)`` plant bugs.

    Sites are ``"loss"``, ``"up3"`` (what the third layer passes down) and ``"act2"`` (that times
    the derivative of the second activation).  ``held(W)`` is what the gradient holds, times ``l2``,
    of a penalty ``l2 / 2 * W ** 2``; that of biases too where it is ``biased``.
    """
    edit, held = edit or (lambda site, delta: delta), held or (lambda w: w)
    layers = len(p) // 2
    hidden = [X]
    for k in range(1, layers):
        hidden.append(np.tanh(hidden[-1] @ p[f"W{k}"] + p[f"b{k}"]))
    error = hidden[-1] @ p[f"W{layers}"] + p[f"b{layers}"] - T
    weights = [name for name in p if name[0] == "W"]
    loss = 0.5 * np.sum(error**2) / len(X)
    loss += sum(l2 / 2 * np.sum(p[w] ** 2) for w in weights)
    gradients = Gradients(len(X))
    delta = edit("loss", error / len(X))
    for k in range(layers, 0, -1):
        gradients[f"W{k}"] = hidden[k - 1].T @ delta
        gradients[f"b{k}"] = delta.sum(axis=0)
        if k > 1:
            delta = edit(f"up{k}", delta @ p[f"W{k}"].T)
            delta = edit(f"act{k - 1}", delta * (1 - hidden[k - 1] ** 2))
    for name in p if biased else weights:
        gradients[name] += l2 * held(p[name])
    if spoil:
        spoil(gradients)
    return loss, gradients


def planted(**bugs):
    """The network's function, without switches to turn."""
    return lambda p, X, T: backward(p, X, T, **bugs)


def switched(**bugs):
    """The network's function, with its penalty as a keyword."""
    return lambda p, X, T, lam=1e-2: backward(p, X, T, l2=lam, **bugs)


def checked(function, **options):
    parameters, batch = network()
    return check_gradients(function, parameters, batch=batch, **options)


def spoiled(spoil, **options):
    return checked(planted(spoil=spoil), **options)


def only(report):
    """The report's one cause, and the explanation ran to its end."""
    assert not [line for line in report.coverage if "could not be explained" in line]
    (cause,) = report.causes
    return cause


def no_seventh_column(gradients):
    gradients["W2"][:, 7] = 0


def mean_of_the_bias(gradients):
    gradients["b1"] /= gradients.rows


# Sentences.


def test_a_zero_column_is_named_and_what_to_look_at():
    report = spoiled(no_seventh_column)
    cause = only(report)
    assert cause.sentence == ("W2[:, 7] wrong, and nothing else of the block: column 7 is zero")
    assert (cause.family, cause.kind) == ("W", "last_column_missing")
    assert report.blocks["W2"].where == cause.where == "W2[:, 7]"
    assert report.boundary == ""


@pytest.mark.parametrize("shape", [(), (1,)])
def test_the_scalar_bias_of_a_logistic_regression_is_told_so(shape):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 4)), (rng.random(50) < 0.5).astype(float)

    def logistic(p, X, y, average):
        q = 1 / (1 + np.exp(-(X @ p["w"] + p["b"])))
        loss = -np.mean(y * np.log(q) + (1 - y) * np.log(1 - q))
        delta = (q - y) / len(y)
        bias = delta.mean() if average else delta.sum()
        return loss, {"w": X.T @ delta, "b": np.full(shape, bias)}

    parameters = {"w": rng.normal(size=4), "b": np.full(shape, 0.3)}

    def check(average):
        function = functools.partial(logistic, average=average)
        return check_gradients(function, parameters, batch=(X, y))

    cause = only(check(True))
    assert (cause.kind, cause.blocks) == ("bias_mean", ("b",))
    assert check(False).causes == ()


# Causes that need no experiment.


def swapped(gradients):
    gradients["b1"], gradients["b2"] = gradients["b2"], gradients["b1"]


def transposed(gradients):
    gradients["W2"] = gradients["W2"].T.copy()


def rolled(gradients):
    gradients["W2"] = np.roll(gradients["W2"], 1, axis=0)


def zero(gradients):
    gradients["b2"] = np.zeros_like(gradients["b2"])


def negative(gradients):
    gradients["W2"] *= -1


def doubled(gradients):
    gradients["W1"] *= 2


@pytest.mark.parametrize(
    ("spoil", "family", "kind", "blocks"),
    [
        (swapped, "W", "bn_swapped", {"b1", "b2"}),
        (transposed, "W", "dW_transposed", {"W2"}),
        (rolled, "W", "rolled_rows", {"W2"}),
        (zero, "D", "disconnected", {"b2"}),
        (negative, "G", "sign_one", {"W2"}),
        (doubled, "S", "factor_two", {"W1"}),
        (mean_of_the_bias, "B", "bias_mean", {"b1"}),
        (no_seventh_column, "W", "last_column_missing", {"W2"}),
    ],
)
def test_a_quick_check_names_the_cause_too(spoil, family, kind, blocks):
    report = spoiled(spoil, effort="quick")
    cause = only(report)
    assert (cause.family, cause.kind, set(cause.blocks)) == (family, kind, blocks)
    assert set(report.failing) == blocks
    assert cause.evidence
    assert cause.refuted_by
    assert report.boundary == ""


@pytest.mark.parametrize("spoil", [swapped, transposed, mean_of_the_bias, no_seventh_column])
def test_an_exhaustive_check_names_the_cause_too(spoil):
    parameters, batch = network((4, 5, 5, 2))

    def spoil_small(gradients):
        if spoil is no_seventh_column:
            gradients["W2"][:, 4] = 0
        else:
            spoil(gradients)

    function = planted(spoil=spoil_small)
    report = check_gradients(function, parameters, batch=batch, effort="exhaustive")
    assert only(report).kind == only(spoiled(spoil)).kind


def test_everything_by_the_rows_is_seen_through_a_penalty_that_is_right():
    function = planted(l2=0.1, edit=lambda site, d: d / len(d) if site == "loss" else d)
    cause = only(checked(function))
    assert (cause.kind, len(cause.blocks)) == ("extra_1_over_N", 6)
    assert "but for a multiple of the weights, as a penalty makes" in cause.sentence


# Penalties, and what is added outside the loss.


def test_without_a_switch_a_missing_penalty_is_fitted_and_both_readings_are_offered():
    cause = only(checked(planted(l2=1e-3, held=np.zeros_like)))
    assert (cause.family, cause.kind) == ("R", "reg_missing")
    assert set(cause.blocks) == {"W1", "W2", "W3"}
    said = "dW1, dW2, dW3 lack 0.001 * W: the L2 term is in the loss and not"
    assert cause.sentence.startswith(said)
    fitted = re.match(r"coefficient 0\.001\S* ± (\S+) in every direction", cause.evidence)
    # Known to a hundredth of the residual at worst, by the rule of confirming.
    assert float(fitted[1]) < 1e-5
    assert "decoupled weight decay" in cause.remedy


def test_a_switch_that_nobody_named_is_found_and_the_wrong_coefficient_told_by_name():
    cause = only(checked(switched(held=lambda w: 0.5 * w)))
    assert (cause.family, cause.kind) == ("R", "reg_half")
    assert set(cause.blocks) == {"W1", "W2", "W3"}
    assert "half of the penalty's gradient: 0.005 * W where the loss has 0.01" in cause.sentence


def decayed(coefficient=1e-2, form=lambda w: w):
    """Weight decay that is added to the gradient alone, as training loops do on purpose."""

    def loss_and_gradients(p, X, T):
        loss, gradients = backward(p, X, T)
        return loss, {
            name: g + (coefficient * form(p[name]) if name[0] == "W" else 0)
            for name, g in gradients.items()
        }

    return loss_and_gradients


@pytest.mark.parametrize("form", [lambda w: w, np.sign])
def test_the_option_as_the_sentence_gives_it_makes_the_check_pass(form):
    cause = only(checked(decayed(form=form)))
    assert (cause.family, cause.kind) == ("R", "reg_coefficient")
    assert "weight decay" in cause.sentence
    option = re.search(r"penalty=(L[12]\([^()]*\))", cause.sentence)[1]
    report = checked(decayed(form=form), penalty=eval(option, {"L1": L1, "L2": L2}))
    assert (report.verdict, report.causes) == ("PASS", ())


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (4e-3, "hold 0.006 * W too much"),
        (5e-2, "lack 0.04 * W: the L2 term is in the loss and not, or not wholly, in the gradient"),
    ],
)
def test_a_penalty_passed_with_another_number_than_the_gradient_has_is_told_so(passed, said):
    cause = only(checked(decayed(), penalty=L2(passed, "W*")))
    assert cause.sentence.startswith(f"dW1, dW2, dW3 {said}")
    assert passed > 1e-2 or "penalty=L2(0.01, 'W1'" in cause.sentence


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_penalty_added_and_taken_off_again_is_lacking_and_its_rounding_no_other_form(kind):
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(60, 5)), rng.normal(size=60), rng.normal(size=5)

    def ridge(p, X, y, reg=0.1):
        e, w = X @ p["w"] - y, p["w"]
        gradient = (X.T @ e / len(y) + kind(reg) * w) - reg * w
        return 0.5 * np.mean(e * e) + 0.5 * reg * w @ w, {"w": gradient}

    cause = only(check_gradients(ridge, {"w": w}, batch=(X, y), penalty="reg"))
    assert cause.kind == "reg_missing"
    assert cause.sentence.startswith("dw lacks 0.1 * w")


# Several faults at once.


def test_of_two_faults_with_causes_the_larger_comes_first():
    def spoil(gradients):
        no_seventh_column(gradients)
        mean_of_the_bias(gradients)

    report = spoiled(spoil)
    assert [cause.kind for cause in report.causes] == ["bias_mean", "last_column_missing"]
    assert report.blocks["b1"].ratio > report.blocks["W2"].ratio


def test_a_fault_without_a_cause_beside_one_with_is_said_to_remain():
    noise = np.random.default_rng(1).normal(size=(ROWS, 8))

    def spoil(gradients):
        gradients["b3"] /= gradients.rows

    def edit(site, d):
        return d + 0.02 * noise[: len(d)] if site == "act1" else d

    report = checked(planted(edit=edit, spoil=spoil))
    assert only(report).kind == "bias_mean"
    assert only(report).blocks == ("b3",)
    assert report.boundary.startswith("also wrong, by the same mistake or another: b1, W1 wrong")
    assert set(report.failing) == {"b3", "W1", "b1"}
    assert "also wrong, by the same mistake or another" in str(report)


@pytest.mark.parametrize(("times", "said"), [(None, "changes with the rows"), (1.3, "constant")])
def test_a_factor_that_other_rows_change_is_not_called_constant(times, said):
    """The loss is divided by the sum of the rows' weights, and the gradient by their number."""
    parameters, (X, T) = network()
    weights = np.random.default_rng(1).uniform(0.2, 2.0, ROWS)

    def weighted(p, X, T, weights):
        hidden = np.tanh(X @ p["W1"] + p["b1"])
        off = np.tanh(hidden @ p["W2"] + p["b2"]) @ p["W3"] + p["b3"] - T
        loss = 0.5 * np.sum(weights * np.sum(off**2, axis=1)) / weights.sum()
        _, gradients = backward(
            p, X, T, edit=lambda site, d: d * weights[:, None] * len(X) if site == "loss" else d
        )
        divisor = times * weights.sum() if times else len(X)
        return loss, {name: gradient / divisor for name, gradient in gradients.items()}

    report = check_gradients(weighted, parameters, batch=(X, T, weights))
    (cause,) = report.causes
    assert cause.kind == "scale"
    assert said in cause.sentence


def test_two_faults_in_one_block_get_no_cause():
    def spoil(gradients):
        gradients["W2"] = 1.5 * gradients["W2"].T
        gradients["W2"][0] *= 3

    report = spoiled(spoil)
    assert report.failing == ("W2",)
    assert report.causes == ()
    assert report.boundary


# Where.


def embedding(p, index, T, *, spoil=None):
    hidden = np.tanh(p["E"][index])
    pooled = hidden.mean(axis=1)
    error = pooled @ p["W"] - T
    delta = error / len(T)
    upstream = (delta @ p["W"].T)[:, None, :] / index.shape[1] * (1 - hidden**2)
    gradient = np.zeros_like(p["E"])
    np.add.at(gradient, index, upstream)
    if spoil:
        spoil(gradient)
    return 0.5 * np.sum(error**2) / len(T), {"E": gradient, "W": pooled.T @ delta}


def looked_up(words=60, **bugs):
    rng = np.random.default_rng(0)
    parameters = {"E": rng.normal(size=(words, 5)), "W": rng.normal(size=(5, 3))}
    index = rng.integers(words, size=(ROWS, 4))
    function = functools.partial(embedding, **bugs)
    report = check_gradients(function, parameters, batch=(index, rng.normal(size=(ROWS, 3))))
    return report, index


@pytest.mark.parametrize("words", [12, 60])
def test_an_embedding_row_that_is_not_written_is_located(words):
    row = int(looked_up(words)[1][3, 1])

    def spoil(gradient):
        gradient[row] = 0

    report, _ = looked_up(words, spoil=spoil)
    assert report.failing == ("E",)
    assert report.blocks["E"].where == f"E[{row}, :]"


@pytest.mark.parametrize("words", [12, 60])
def test_one_wrong_element_of_a_repeated_word_is_no_lost_repeat(words):
    _, index = looked_up(words)
    uses = np.bincount(index.ravel(), minlength=words)
    row = int(np.flatnonzero(uses > 1)[0])

    def spoil(gradient):
        gradient[row, 2] *= 2

    report, _ = looked_up(words, spoil=spoil)
    assert report.causes == ()
    assert report.blocks["E"].where == f"E[{row}, 2]"


def convolution(p, X, T, *, spoil=None):
    windows = sliding_window_view(X, (3, 3), axis=(2, 3))
    a = np.tanh(np.einsum("nchwij,ocij->nohw", windows, p["K"]) + p["c"][:, None, None])
    delta = (a - T) / len(X) * (1 - a**2)
    gradients = {
        "K": np.einsum("nohw,nchwij->ocij", delta, windows),
        "c": delta.sum(axis=(0, 2, 3)),
    }
    if spoil:
        spoil(gradients)
    return 0.5 * np.sum((a - T) ** 2) / len(X), gradients


def zero_channel(gradients):
    gradients["K"][:, 2] = 0


def negative_filter(gradients):
    gradients["K"][4] *= -1


def wrong_position(gradients):
    gradients["K"][:, :, 0, 2] *= 1.5


def wrong_element(gradients):
    gradients["K"][1, 2, 0, 1] += 0.1


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (zero_channel, "K[:, 2, :, :]"),
        (negative_filter, "K[4, :, :, :]"),
        (wrong_position, "K[:, :, 0, 2]"),
        (wrong_element, "K[1, 2, 0, 1]"),
    ],
)
def test_a_channel_a_filter_and_a_position_of_a_kernel_are_located(spoil, where):
    rng = np.random.default_rng(0)
    parameters = {"K": 0.3 * rng.normal(size=(5, 3, 3, 3)), "c": 0.1 * rng.normal(size=5)}
    batch = rng.normal(size=(ROWS, 3, 6, 6)), rng.normal(size=(ROWS, 5, 4, 4))
    function = functools.partial(convolution, spoil=spoil)
    report = check_gradients(function, parameters, batch=batch)
    assert report.failing == ("K",)
    assert report.blocks["K"].where == where


# Faults that no sentence fits: nothing is named, rather than something wrong.


def noise_on_a_weight(rng, shapes):
    noise = 0.1 * rng.normal(size=shapes["W2"])
    return {"spoil": lambda gradients: gradients.update(W2=gradients["W2"] + noise)}


def noise_on_its_elements(rng, shapes):
    factors = 1 + 0.1 * rng.normal(size=shapes["W1"])
    return {"spoil": lambda gradients: gradients.update(W1=gradients["W1"] * factors)}


def one_row_by_a_factor(rng, shapes):
    factors = np.ones((shapes["W2"][0], 1))
    factors[rng.integers(len(factors))] = rng.uniform(0.2, 3)
    return {"spoil": lambda gradients: gradients.update(W2=gradients["W2"] * factors)}


def one_column_by_a_factor(rng, shapes):
    factors = np.ones(shapes["W2"][1])
    factors[rng.integers(len(factors))] = rng.uniform(0.2, 3)
    return {"spoil": lambda gradients: gradients.update(W2=gradients["W2"] * factors)}


def wrong_derivative(rng, shapes):
    share = rng.uniform(0.1, 1)
    return {"edit": lambda site, d: d + share * d**2 if site == "act1" else d}


def rows_weighed(rng, shapes):
    weights = rng.uniform(0.5, 1.5, size=(ROWS, 1))
    return {"edit": lambda site, d: d * weights if site == "act1" else d}


def wrong_matrix(rng, shapes):
    turned = rng.normal(size=(shapes["W2"][0],) * 2)
    return {"edit": lambda site, d: d @ turned if site == "up2" else d}


def outputs_weighed(rng, shapes):
    weights = rng.uniform(0.5, 1.5, size=shapes["b3"])
    return {"edit": lambda site, d: d * weights if site == "loss" else d}


def rectified_on_the_way_back(rng, shapes):
    return {"edit": lambda site, d: np.maximum(d, 0) if site == "act2" else d}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "fault",
    [
        *(noise_on_a_weight, noise_on_its_elements, one_row_by_a_factor, one_column_by_a_factor),
        *(wrong_derivative, rows_weighed, wrong_matrix, outputs_weighed),
        rectified_on_the_way_back,
    ],
)
def test_a_fault_that_no_sentence_fits_gets_no_cause(fault, seed):
    rng = np.random.default_rng(seed)
    # From two units on: with one, any fault of a layer is a factor.
    parameters, batch = network([int(n) for n in rng.integers(2, 9, size=4)], seed=seed)
    shapes = {name: value.shape for name, value in parameters.items()}
    function = planted(l2=float(rng.choice([0.0, 0.1])), **fault(rng, shapes))
    report = check_gradients(function, parameters, batch=batch, seed=seed)
    assert report.verdict == "FAIL"
    assert report.causes == ()
    assert report.boundary or any("[" in (b.where or "") for b in report.blocks.values())


@pytest.mark.parametrize("seed", range(2))
def test_the_weights_of_a_single_output_are_no_bias_of_the_layer_below(seed):
    parameters, batch = network((5, 4, 6, 1), seed=seed)
    noise = 1 + 0.1 * np.random.default_rng(seed).normal(size=(6, 1))
    function = planted(spoil=lambda gradients: gradients.update(W3=gradients["W3"] * noise))
    report = check_gradients(function, parameters, batch=batch)
    assert report.failing == ("W3",)
    assert report.causes == ()


def test_one_wrong_element_of_a_bias_is_located_and_not_taken_for_its_sum():
    def spoil(gradients):
        gradients["b2"][3] *= 1.3

    report = spoiled(spoil)
    assert report.causes == ()
    assert report.blocks["b2"].where == "b2[3]"


# Right code.


@pytest.mark.parametrize("effort", ["quick", "exhaustive"])
def test_right_code_has_neither_cause_nor_boundary(effort):
    parameters, batch = network((4, 5, 5, 2))
    report = check_gradients(switched(), parameters, batch=batch, effort=effort, penalty="lam")
    assert report.verdict == "PASS"
    assert (report.causes, report.boundary) == ((), "")
    assert not any(block.where for block in report.blocks.values())


# Objectives that work in place, and what an explanation leaves behind.


class Model:
    """A model whose methods read its own arrays."""

    def __init__(self):
        self.params, self.batch = network()

    def loss_and_gradients(self, X, T):
        def spoil(gradients):
            no_seventh_column(gradients)
            mean_of_the_bias(gradients)

        return backward(self.params, X, T, spoil=spoil)


def test_causes_of_a_model_that_reads_its_own_arrays_are_found_and_no_byte_changes():
    model = Model()
    before = {name: value.tobytes() for name, value in model.params.items()}
    objective = Objective(parameters=model.params, loss_and_gradients=model.loss_and_gradients)
    report = check_gradients(objective, batch=model.batch)
    assert [cause.kind for cause in report.causes] == ["bias_mean", "last_column_missing"]
    assert {name: value.tobytes() for name, value in model.params.items()} == before


def test_a_search_through_blocks_leaves_no_byte_changed():
    parameters, batch = network()
    before = {name: value.tobytes() for name, value in parameters.items()}
    turned = np.random.default_rng(1).normal(size=(8, 8))
    function = switched(edit=lambda site, d: d @ turned if site == "up3" else d)
    report = check_gradients(function, parameters, batch=batch, penalty="lam")
    assert report.boundary
    assert {name: value.tobytes() for name, value in parameters.items()} == before


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_a_factor_below_a_dead_unit_is_one_fault(factor):
    parameters, (X, T) = network()
    parameters["b1"][2] = -100.0  # No row wakes this unit.

    def spoil(gradients):
        for name in ("W1", "b1"):
            gradients[name] *= factor

    report = check_gradients(planted(spoil=spoil), parameters, batch=(X, T), seed=0)
    assert set(report.failing) == {"W1", "b1"}
    assert report.causes == ()
    assert report.boundary.startswith("b1, W1 wrong; W2, b2, W3, b3 right: the fault enters")


def test_a_kernel_turned_round_is_said_to_be_so_without_a_penalty_that_nobody_added():
    rng = np.random.RandomState(0)
    parameters = {"K": 0.4 * rng.randn(3, 1, 3, 3), "W": 0.2 * rng.randn(48, 3)}
    batch = rng.randn(30, 1, 6, 6), rng.randint(0, 3, 30)

    def turned(p, X, y):
        windows = sliding_window_view(X, (3, 3), axis=(2, 3))
        z = np.einsum("ncijhw,kchw->nkij", windows, p["K"])
        flat = np.maximum(z, 0).reshape(len(X), -1)
        scores = flat @ p["W"]
        d = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = -np.log(d[rows, y]).mean()
        d[rows, y] -= 1
        d /= len(y)
        dz = (d @ p["W"].T).reshape(z.shape) * (z > 0)
        dK = np.einsum("ncijhw,nkij->kchw", windows, dz)
        return loss, {"K": dK[..., ::-1, ::-1], "W": flat.T @ d}

    said = {
        cause.sentence
        for seed in range(6)
        for cause in check_gradients(turned, parameters, batch=batch, seed=seed).causes
    }
    assert said == {"dK is the numerical gradient in reverse order along axes 2, 3"}


@pytest.mark.parametrize(("kept", "kinds"), [(np.copy, {"stale_cache"}), (np.sign, set())])
def test_a_gradient_that_does_not_follow_the_weights_is_of_those_of_earlier_unless_of_few_values(
    kept, kinds
):
    parameters, batch = network()
    _, earlier = backward(parameters, *batch)
    earlier = {name: kept(gradient) for name, gradient in earlier.items()}

    def stale(p, X, T):
        return backward(p, X, T)[0], earlier

    report = check_gradients(stale, parameters, batch=batch, samples=None)
    assert report.verdict == "FAIL"
    assert {cause.kind for cause in report.causes} == kinds


def test_sample_weights_beside_a_normalisation_over_the_rows_are_named():
    rng = np.random.default_rng(4)
    parameters = {"W": rng.normal(size=(5, 4)), "V": rng.normal(size=(4, 3))}
    batch = rng.normal(size=(12, 5)), rng.normal(size=(12, 3)), rng.uniform(0.2, 2, 12)

    def unweighted(p, X, T, weights):
        a = X @ p["W"]
        spread = np.sqrt(a.var(axis=0) + 1e-5)
        h = (a - a.mean(axis=0)) / spread
        error = h @ p["V"] - T
        loss = 0.5 * np.mean(weights * (error**2).sum(axis=1))
        error = error / len(X)  # the weights are missing
        dh = error @ p["V"].T
        da = (dh - dh.mean(axis=0) - h * (dh * h).mean(axis=0)) / spread
        return loss, {"W": X.T @ da, "V": h.T @ error}

    report = check_gradients(unweighted, parameters, batch=batch, samples=None)
    assert [cause.kind for cause in report.causes] == ["sample_weight_ignored"]
