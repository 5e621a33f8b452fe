"""The shapes in which people write layers, and what is said of those that do not fit."""

from types import SimpleNamespace

import numpy as np
import pytest

from gradhook import layer_check
from gradhook.difference import ComplexStep
from gradhook.errors import (
    GradientShapeError,
    ObjectiveError,
    ParameterError,
)

RNG = np.random.default_rng(0)
X, H = RNG.standard_normal((4, 3)), RNG.standard_normal((4, 2))
W, b = RNG.standard_normal((3, 2)), RNG.standard_normal(2)
U = RNG.standard_normal((2, 2))


def verdicts(report):
    return {name: str(block.verdict) for name, block in report.blocks.items()}


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


class Affine:
    """As in the books that keep gradients as attributes."""

    def __init__(self, dtype=np.float64):
        self.W, self.b = W.astype(dtype), b.astype(dtype)
        self.dW = self.db = None

    def forward(self, x, train_flg=True):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout=1):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Adding(Affine):
    """Keeps its gradients in one list, and adds to them until they are cleared."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.grads = [np.ones((3, 2)), np.ones(2)]
        self.scale = scale

    def backward(self, dout=1):
        self.grads[0] += self.x.T @ dout
        self.grads[1] += self.scale * dout.sum(axis=0)
        return dout @ self.W.T


@pytest.mark.parametrize("names", [("w", "b"), ("W", "bias")], ids=["by name", "in order"])
def test_a_layer_that_takes_each_parameter_and_returns_a_tuple(names):
    given = dict(zip(names, (W, b), strict=True))
    assert set(verdicts(layer_check(affine, affine_backward, X, given)).values()) == {"PASS"}

    def wrong(dout, cache):
        dx, dw, db = affine_backward(dout, cache)
        return dx, dw, db / len(dout)

    assert layer_check(affine, wrong, X, given).failing == (names[1],)


@pytest.mark.parametrize(
    ("forward", "gradients", "parameters", "options"),
    [
        (affine, lambda dx, dw, db: (dx, db, dw), {"b": b, "w": W}, {}),
        (lambda x, w: (x @ w, (x, w)), lambda dx, dw, db: (dx, dw), {"W": W}, {}),
        (
            affine,
            lambda dx, dw, db: (dx, {"grad_w": dw, "grad_b": db}),
            *({"w": W, "b": b}, {"gradient_name": "grad_{}"}),
        ),
        (affine, lambda dx, dw, db: (dx, (dw, db)), {"w": W, "b": b}, {}),
        (affine, lambda dx, dw, db: ((dx,), {"w": dw, "b": db}), {"w": W, "b": b}, {}),
        (affine, lambda dx, dw, db: {"dx": dx, "dw": dw, "db": db}, {"w": W, "b": b}, {}),
        (
            *(affine, lambda dx, dw, db: {"x": dx, "w": dw, "b": db, "other": None}),
            *({"w": W, "b": b}, {}),
        ),
    ],
    ids=[
        *("in the order of the parameters", "an array where it is called so", "named by a rule"),
        *("nested", "an input and names", "named with a d", "named, and more"),
    ],
)
def test_parameters_and_gradients_may_come_as(forward, gradients, parameters, options):
    report = layer_check(
        forward,
        lambda dout, cache: gradients(*affine_backward(dout, cache)),
        *(X, parameters),
        **options,
    )
    assert verdicts(report) == dict.fromkeys(["x", *parameters], "PASS")


def rnn_step(x, prev_h, Wx, Wh, b):
    h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return h, (x, prev_h, Wx, Wh, h)


def rnn_step_backward(dh, cache):
    x, prev_h, Wx, Wh, h = cache
    dz = dh * (1 - h**2)
    return dz @ Wx.T, dz @ Wh.T, x.T @ dz, prev_h.T @ dz, dz.sum(axis=0)


@pytest.mark.parametrize(
    ("x", "names"), [({"x": X, "prev_h": H}, ["x", "prev_h"]), ((X, H), ["x1", "x2"])]
)
def test_several_inputs_are_a_block_each(x, names):
    parameters = {"Wx": W, "Wh": U, "b": b}
    report = layer_check(rnn_step, rnn_step_backward, x, parameters)
    assert verdicts(report) == dict.fromkeys([*names, "Wx", "Wh", "b"], "PASS")

    def wrong(dh, cache):
        dx, dprev_h, *rest = rnn_step_backward(dh, cache)
        return dx, dprev_h[::-1], *rest

    assert layer_check(rnn_step, wrong, x, parameters).failing == (names[1],)


def test_several_outputs_have_a_gradient_each():
    def forward(x):
        return np.sin(x), (x**2).sum(axis=1), x

    def backward(dsin, dsquares, x):
        return dsin * np.cos(x) + 2 * x * dsquares[:, None]

    assert verdicts(layer_check(forward, backward, X)) == {"x": "PASS"}
    assert layer_check(forward, lambda dsin, dsquares, x: dsin * np.cos(x), X).failing == ("x",)


def test_gradients_are_read_from_the_layers_attributes():
    layer = Affine()
    report = layer_check(layer.forward, layer.backward, X, {"W": layer.W, "b": layer.b})
    assert verdicts(report) == {"x": "PASS", "W": "PASS", "b": "PASS"}
    assert layer.dW is None
    assert layer.W.tobytes() == W.tobytes()
    assert not hasattr(layer, "x")


@pytest.mark.parametrize("give", [lambda layer: lambda: layer.grads, lambda layer: layer.grads])
@pytest.mark.parametrize("scale", [1.0, 1.01])
def test_gradients_that_are_added_up_count_from_zero_and_are_put_back(give, scale):
    layer = Adding(scale)
    report = layer_check(
        layer.forward,
        layer.backward,
        X,
        {"W": layer.W, "b": layer.b},
        gradients=give(layer),
    )
    assert report.failing == (() if scale == 1.0 else ("b",))
    assert verdicts(report)["x"] == verdicts(report)["W"] == "PASS"
    assert all(np.all(gradient == 1) for gradient in layer.grads)


def test_buffers_may_be_given_by_name():
    buffers = {"dW": np.full((3, 2), 7.0), "db": np.zeros(2)}

    def backward(dout, cache):
        dx, dw, db = affine_backward(dout, cache)
        buffers["dW"] += dw
        buffers["db"] += db
        return dx

    report = layer_check(
        lambda x, p: affine(x, p["W"], p["b"]), backward, X, {"W": W, "b": b}, gradients=buffers
    )
    assert verdicts(report) == {"x": "PASS", "W": "PASS", "b": "PASS"}
    assert np.all(buffers["dW"] == 7)


def test_a_layer_in_float32_gets_its_cotangent_in_float32_and_never_fails():
    class Strict(Affine):
        def forward(self, x, train_flg=True):
            return super().forward(x.astype(np.float32))

        def backward(self, dout=1):
            assert dout.dtype == np.float32
            return super().backward(dout)

    layer = Strict(np.float32)
    report = layer_check(layer.forward, layer.backward, X, {"W": layer.W, "b": layer.b})
    assert set(verdicts(report).values()) <= {"PASS", "INCONCLUSIVE"}
    assert layer.W.tobytes() == W.astype(np.float32).tobytes()


@pytest.mark.parametrize("seed", range(5))
def test_one_per_cent_is_seen_in_float32(seed):
    class Scaled(Affine):
        def backward(self, dout=1):
            return np.float32(1.01) * super().backward(dout)

    for kind, failing in ((Affine, ()), (Scaled, ("x",))):
        layer = kind(np.float32)
        x = np.random.default_rng(seed).standard_normal((9, 3)).astype(np.float32)
        parameters = {"W": layer.W, "b": layer.b}
        report = layer_check(layer.forward, layer.backward, x, parameters, seed=seed)
        assert report.failing == failing


def test_dropout_from_the_global_stream_is_replayed_and_the_stream_is_put_back():
    class Dropout:
        ratio = 0.5

        def forward(self, x, train_flg=True):
            self.mask = np.random.rand(*x.shape) > self.ratio
            return x * self.mask

        def backward(self, dout):
            return dout * self.mask

    layer, before = Dropout(), np.random.get_state()[1:]
    assert verdicts(layer_check(layer.forward, layer.backward, X)) == {"x": "PASS"}
    with_switch = layer_check(layer.forward, layer.backward, X, dropout="ratio")
    assert with_switch.verdict == "PASS"
    assert any("dropout replayed" in setting for setting in with_switch.settings)
    after = np.random.get_state()[1:]
    assert after[0].tolist() == before[0].tolist()
    assert after[1:] == before[1:]
    assert not hasattr(layer, "mask")
    assert layer_check(layer.forward, lambda dout: dout, X).failing == ("x",)


@pytest.mark.parametrize("seed", range(10))
def test_relu_at_its_kinks_does_not_fail_and_passes_beside_them(seed):
    x = np.round(np.random.default_rng(seed).standard_normal((4, 3)))
    assert np.any(x == 0)
    report = layer_check(lambda x: (np.maximum(x, 0), x), lambda dy, x: dy * (x > 0), x, seed=seed)
    assert report.verdict in ("PASS", "KINK")
    points = {f.setting: f.verdict for f in report.blocks["x"].findings}
    assert points["generic point"] == "PASS"


@pytest.mark.parametrize("returned", [lambda dE: dE, lambda dE: (None, dE), lambda dE: (dE,)])
def test_an_embedding_may_leave_out_the_gradient_of_its_indices(returned):
    index, E = np.array([[1, 1], [3, 0]]), RNG.standard_normal((5, 2))

    def forward(index, E):
        return E[index], (index, E.shape)

    def backward(dy, cache):
        dE = np.zeros(cache[1])
        np.add.at(dE, cache[0], dy)
        return returned(dE)

    assert verdicts(layer_check(forward, backward, index, {"E": E})) == {"E": "PASS"}

    def overwriting(dy, cache):
        dE = np.zeros(cache[1])
        dE[cache[0]] += dy
        return returned(dE)

    assert layer_check(forward, overwriting, index, {"E": E}).failing == ("E",)


def test_only_the_gradients_that_ignore_what_comes_from_above_are_named():
    def half_deaf(dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ np.ones_like(dout), dout.mean(axis=0)

    report = layer_check(affine, half_deaf, X, {"w": W, "b": b})
    assert report.failing == ("w", "b")
    deaf = [cause for cause in report.causes if cause.kind == "upstream_ignored"]
    assert [cause.blocks for cause in deaf] == [("w",)]
    assert "the gradient of w is the same whatever comes from above" in deaf[0].sentence
    assert deaf[0] == report.causes[0]


def test_a_gradient_that_is_lost_is_not_said_to_ignore_what_comes_from_above():
    report = layer_check(
        affine,
        lambda dout, cache: (dout @ cache[1].T, np.zeros_like(W), dout.sum(axis=0)),
        X,
        {"w": W, "b": b},
    )
    assert report.failing == ("w",)
    assert "upstream_ignored" not in [cause.kind for cause in report.causes]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda dy: np.clip(dy, -5, 5),
        lambda dy: np.maximum(dy, 0),
        lambda dy: -np.maximum(-dy, 0),
        np.tanh,
    ],
    ids=["clipped", "negative dropped", "positive dropped", "squashed"],
)
def test_a_backward_pass_that_is_right_for_one_cotangent_alone_fails(wrong):
    # One output, so one cotangent has one sign and one size.
    def forward(x):
        return np.sum(np.sin(x)), x

    report = layer_check(forward, lambda dy, x: wrong(dy) * np.cos(x), X[0])
    assert report.failing == ("x",)
    right = layer_check(forward, lambda dy, x: dy * np.cos(x), X[0])
    assert right.verdict == "PASS"
    assert right.notes == ()


def test_what_is_right_for_small_gradients_alone_is_said_to_be_so():
    report = layer_check(lambda x: (np.sin(x), x), lambda dy, x: np.clip(dy, -5, 5) * np.cos(x), X)
    assert report.verdict == "FAIL"
    assert report.notes[0].startswith("backward is not linear in dy")


def test_gradients_that_are_not_finite_do_not_pass():
    report = layer_check(
        lambda x: (np.sin(x), x), lambda dy, x: np.where(x > 1, np.nan, dy * np.cos(x)), X + 1
    )
    assert report.verdict == "FAIL"
    diverged = layer_check(lambda x: (np.log(-np.abs(x)), x), lambda dy, x: dy / x, X)
    assert diverged.verdict == "INCONCLUSIVE"
    assert "the loss is nan at these weights" in str(diverged)


def test_the_line_that_repeats_the_check_calls_layer_check():
    layer = Affine()
    report = layer_check(
        layer.forward,
        layer.backward,
        X,
        {"W": layer.W, "b": layer.b},
        gradients=lambda: (layer.dW, layer.db),
        seed=3,
    )
    assert report.call == (
        "layer_check(layer.forward, layer.backward, X, {'W': layer.W, 'b': layer.b}, "
        "gradients=<gradients>, seed=3)"
    )
    plain = layer_check(np.tanh, lambda dy: dy * (1 - np.tanh(X) ** 2), X, points=("current",))
    assert plain.call.startswith("layer_check(<forward>, <backward>, X, points=")


def test_gradients_of_another_shape_are_refused():
    with pytest.raises(GradientShapeError, match=r"gradient of 'x' has shape \(3, 4\)"):
        layer_check(lambda x: (x, x), lambda dy, x: dy.T, X)
    with pytest.raises(GradientShapeError, match=r"gradient of 'b' has shape \(4, 2\)"):
        layer_check(affine, lambda dy, c: (*affine_backward(dy, c)[:2], dy), X, {"w": W, "b": b})
    with pytest.raises(GradientShapeError, match="gradient of 'x' is None"):
        layer_check(lambda x: (x, x), lambda dy, x: None, X)


class Linear:
    """A layer that keeps more than its weights: input, output and their gradients."""

    def __init__(self, factor):
        self.W, self.b, self.factor = W.copy(), b.copy(), factor

    def forward(self, x):
        self.x, self.out = x, x @ self.W + self.b
        return self.out

    def backward(self, dout):
        self.dout, self.dx = dout, dout @ self.W.T
        self.dW, self.db = self.x.T @ dout, self.factor * dout.sum(axis=0)
        return self.dx


class Listed:
    """A layer with a list of weights and one of gradients."""

    def __init__(self, factor):
        self.params, self.factor = [W.copy(), b.copy()], factor
        self.grads = [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.params[1]

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = self.factor * dout.sum(axis=0)
        return dout @ self.params[0].T


@pytest.mark.parametrize(("kind", "names"), [(Linear, "W b"), (Listed, "params[0] params[1]")])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_layer_stands_for_the_arrays_that_it_holds(kind, names, factor):
    layer = kind(factor)
    before = dict(vars(layer))
    report = layer_check(layer.forward, layer.backward, X, layer)
    assert set(report.blocks) == {"x", *names.split()}
    assert report.failing == (() if factor == 1 else (names.split()[1],))
    assert list(vars(layer)) == list(before)
    assert all(vars(layer)[name] is value for name, value in before.items())
    assert report.call.startswith("layer_check(layer.forward, layer.backward, X, layer")


def test_a_layer_without_gradients_beside_its_weights_is_told_where_to_leave_them():
    layer = SimpleNamespace(W=W)
    with pytest.raises(
        ObjectiveError, match=r"no weight .* seen: W \(.* backward leave dW beside W"
    ):
        layer_check(lambda x: x @ layer.W, lambda dy: dy @ layer.W.T, X, layer)


def test_what_is_no_layer_is_refused():
    def identity(x):
        return x

    cases = {
        "forward must be a function, got ndarray": (W, identity, X),
        "backward must be a function, got NoneType": (identity, None, X),
        "parameters must be arrays by name, such as": (identity, identity, X, [W]),
        "there is nothing to check": (identity, identity, np.arange(3)),
        "which is the input's name": (lambda x, p: x, identity, X, {"x": X}),
        r"forward\(x, w, b\) does not fit 1 input": (affine, affine_backward, X, {"w": W}),
        r"forward\(x, w, b\) does not fit 1 input\(s\) and the parameters \(none\)": (
            *(affine, affine_backward, X),
        ),
        r"forward\(x\) does not fit 2 input": (identity, identity, (X, X)),
        "forward returned 2 value": (lambda x: (x, x), identity, X),
        r"forward returned 1 value\(s\), and backward does not": (
            *(identity, lambda dy, cache: dy, X),
        ),
        r"backward returned 2 gradient\(s\) of the input": (identity, lambda dy: (dy, dy), X),
        "backward returned no gradients of the parameters w, b: return": (
            *(affine, lambda dy, cache: dy @ W.T, X, {"w": W, "b": b}),
        ),
    }
    for message, arguments in cases.items():
        with pytest.raises((ObjectiveError, ParameterError), match=message):
            layer_check(*arguments)


def test_a_layer_without_parameters_can_be_checked_by_complex_steps():
    report = layer_check(
        lambda x: (np.sin(x), x), lambda dy, x: dy * np.cos(x), X, method=ComplexStep()
    )
    assert report.verdict == "PASS"
    assert report.ratio < 1e-14


def test_options_about_batches_are_refused():
    with pytest.raises(TypeError, match="no option 'samples': the whole input is checked"):
        layer_check(np.tanh, np.tanh, X, samples=3)
    with pytest.raises(TypeError, match="unknown option 'sede'"):
        layer_check(np.tanh, np.tanh, X, sede=3)
