"""The styles in which newcomers write a network: one line for a check, three in a loop.

The six styles stand in ``examples/six_styles.py``, on real digits; the further ones here.
"""

import copy
import importlib

import numpy as np
import pytest

import gradhook
from gradhook import GradCheckCallback, Objective, Verdict, check_gradients
from gradhook.check.reading import read
from gradhook.errors import GradientNameError, LossTypeError, ObjectiveError, ParameterTypeError
from gradhook.objective.held import Held
from gradhook.options import Options
from tests.integrations import generated_models

SIX = ("attributes", "layers", "per_sample", "trainer", "char_rnn", "unrolled")
X, Y = np.random.default_rng(0).normal(size=(20, 3)), np.random.default_rng(1).normal(size=(20, 2))


@pytest.fixture
def styles(example):
    """Return the module of the six styles, as it is when it has just been imported."""
    return importlib.reload(example("six_styles"))


@pytest.mark.parametrize("name", SIX)
def test_one_line_checks_each_of_the_six_styles(styles, name):
    # That it finds the planted bug is held in test_adapter_documents.py.
    assert {make.__name__ for make in styles.STYLES} == set(SIX)
    made = getattr(styles, name)()
    report = check_gradients(made.objective, made.parameters, batch=styles.digits(), **made.options)
    assert report.verdict == "PASS"
    assert report.failing == ()


@pytest.mark.parametrize("name", SIX)
def test_three_lines_in_a_loop_leave_training_as_it_is_to_the_bit(styles, name):
    left = []
    for enabled in (False, True):
        importlib.reload(styles)
        np.random.seed(4)
        made = getattr(styles, name)()
        check = styles.train(made, enabled=enabled)
        state = np.random.get_state()[1].tobytes()
        left.append({n: w.tobytes() for n, w in made.weights().items()} | {"stream": state})
    assert left[0] == left[1]
    assert [(r.step, str(r.verdict)) for r in check.history] == [
        (0, "PASS"),
        (10, "PASS"),
        (20, "PASS"),
    ]
    assert set(made.weights()) in (set(check.last_report.blocks), {"theta"})


def test_how_an_object_was_read_is_one_note(styles):
    made = styles.attributes()
    (note,) = [n for n in check_gradients(
        made.objective, made.parameters, batch=styles.digits()
    ).notes if "makes both passes" in n]  # fmt: skip
    assert note == (
        "run makes both passes, each from gradients of zero; weights and gradients found on a "
        "Net: W1 (dW1), b1 (db1), W2 (dW2), b2 (db2); left out: z1 (replaced by the run)"
    )


# Tensors of a tape.


class Value:
    """A number of a tape, in micrograd's manner."""

    def __init__(self, data, children=()):
        self.data, self.grad, self._prev = data, 0.0, children
        self._backward = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))

        def backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))

        def backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = backward
        return out

    def tanh(self):
        out = Value(float(np.tanh(self.data)), (self,))

        def backward():
            self.grad += (1 - out.data ** (1 if Neuron.bug else 2)) * out.grad

        out._backward = backward
        return out

    def backward(self):
        order, seen = [], set()

        def visit(v):
            if v not in seen:
                seen.add(v)
                for child in v._prev:
                    visit(child)
                order.append(v)

        visit(self)
        self.grad = 1.0
        for v in reversed(order):
            v._backward()


class Neuron:
    """One neuron; calling it computes, so that it must not be taken for a function."""

    bug = False

    def __init__(self):
        self.w, self.b = [Value(0.3), Value(-0.8), Value(0.5)], Value(0.1)

    def __call__(self, x=(0.0, 0.0, 0.0)):
        return sum((w * float(xi) for w, xi in zip(self.w, x, strict=True)), self.b).tanh()

    def parameters(self):
        return [*self.w, self.b]


def neuron_run(neuron):
    def run(X, y):
        loss = Value(0.0)
        for row, target in zip(X, y[:, 0], strict=True):
            error = neuron(row) + -float(target)
            loss = loss + error * error
        loss.backward()
        return loss  # a tensor, as the loop has it

    return run


@pytest.mark.parametrize("how", ["object", "list", "method"])
def test_micrograds_numbers_are_checked_and_come_back(how, monkeypatch):
    neuron = Neuron()
    given = {"object": neuron, "list": neuron.parameters(), "method": neuron.parameters}[how]
    neuron.b.grad = 3.0
    report = check_gradients(neuron_run(neuron), given, batch=(X, Y))
    assert report.verdict is Verdict.PASS
    names = ["b", "w[0]", "w[1]", "w[2]"]
    assert sorted(report.blocks) == (
        names if how == "object" else [f"params[{i}]" for i in range(4)]
    )
    assert (neuron.b.data, type(neuron.b.data), neuron.b.grad) == (0.1, float, 3.0)
    monkeypatch.setattr(Neuron, "bug", True)
    assert check_gradients(neuron_run(neuron), given, batch=(X, Y)).verdict is Verdict.FAIL


class Tensor:
    """A tensor in needle's manner: ``data`` is a tensor too, the numbers hang below it."""

    def __init__(self, array, *, requires_grad=True):
        self.cached_data, self.requires_grad, self.grad = array, requires_grad, None

    @property
    def data(self):
        return Tensor(self.cached_data, requires_grad=False)


class Linear:
    def __init__(self):
        rng = np.random.default_rng(5)
        self.weight, self.bias = Tensor(rng.normal(size=(3, 2))), Tensor(np.zeros((1, 2)))
        self.factor = 1

    def run(self, X, y):
        x = Tensor(X, requires_grad=False)
        out = Tensor(x.cached_data @ self.weight.cached_data + self.bias.cached_data)
        out.grad = Tensor((out.cached_data - y) / len(y))
        self.weight.grad = Tensor(x.cached_data.T @ out.grad.cached_data)
        self.bias.grad = Tensor(self.factor * out.grad.cached_data.sum(axis=0, keepdims=True))
        self.out = out
        return 0.5 * float(np.sum((out.cached_data - y) ** 2)) / len(y)


def test_needles_tensors_are_checked_and_the_output_is_no_parameter():
    layer = Linear()
    report = check_gradients(layer.run, layer, batch=(X, Y))
    assert {name: str(b.verdict) for name, b in report.blocks.items()} == {
        "weight": "PASS",
        "bias": "PASS",
    }
    assert layer.weight.grad is None
    layer.factor = 2
    assert check_gradients(layer.run, [layer.weight, layer.bias], batch=(X, Y)).failing == (
        "params[1]",
    )


# Layers that keep their inputs.


class Dense:
    """A layer of *Neural Networks from Scratch*: ``weights`` and ``dweights``, and its inputs."""

    def __init__(self, inputs, outputs):
        self.weights = np.random.default_rng(6).normal(size=(inputs, outputs))
        self.biases = np.zeros((1, outputs))
        self.sum = np.sum

    def forward(self, inputs):
        self.inputs, self.output = inputs, inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = self.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


def dense_run(first, second):
    def run(X, y):
        first.forward(X)
        second.forward(first.output)
        difference = second.output - y
        second.backward(difference / len(y))
        first.backward(second.dinputs)
        return 0.5 * float(np.sum(difference**2)) / len(y)

    return run


@pytest.mark.parametrize("samples", [7, None])
@pytest.mark.parametrize("warm", [False, True])
def test_inputs_that_a_layer_keeps_are_no_parameters(samples, warm):
    first, second = Dense(3, 4), Dense(4, 2)
    run = dense_run(first, second)
    if warm:
        run(X, Y)
    report = check_gradients(run, [first, second], batch=(X, Y), samples=samples)
    assert report.passed
    assert list(report.blocks) == [
        *("layers[0].weights", "layers[0].biases", "layers[1].weights", "layers[1].biases"),
    ]
    assert "layers[0].inputs (" in report.notes[0]
    assert hasattr(first, "inputs") is warm
    second.sum = np.mean
    assert check_gradients(run, [first, second], batch=(X, Y)).failing == ("layers[1].biases",)


def test_layers_are_read_anew_at_each_check_however_they_are_rebound():
    layers = [Dense(3, 2)]
    run = lambda X, y: dense_run(layers[0], Eye())(X, y)  # noqa: E731  # as a user writes it
    check = GradCheckCallback(run, layers, schedule=1, enabled=True)
    for step in range(1, 4):
        run(X, Y)
        layers[0].weights = layers[0].weights - 0.1 * layers[0].dweights
        layers[0] = copy.deepcopy(layers[0])
        assert check.on_step_end(step, batch=(X, Y)).verdict is Verdict.PASS
    assert check.last_report.loss != check.history[0].loss


class Eye:
    """Passes on what it is given."""

    def forward(self, inputs):
        self.output = inputs

    def backward(self, dvalues):
        self.dinputs = dvalues


def test_float32_weights_are_held_finer_for_the_length_of_a_check_and_come_back():
    first, second = Dense(3, 4), Dense(4, 2)
    for layer in (first, second):
        layer.weights, layer.biases = layer.weights.astype("f"), layer.biases.astype("f")
    before = first.weights, first.weights.tobytes()
    report = check_gradients(dense_run(first, second), [first, second], batch=(X, Y))
    assert report.verdict is Verdict.PASS
    assert report.ratio < 1e-6
    assert first.weights is before[0]
    assert first.weights.tobytes() == before[1]


@pytest.mark.parametrize("tied", ["same array", "same layer"])
def test_a_weight_with_two_gradients_is_checked_against_their_sum(tied):
    first, second = Dense(3, 3), Dense(3, 3)
    if tied == "same array":
        second.weights = first.weights
    else:
        second = first
        second.forward = lambda x: Dense.forward(second, x)
    run = dense_run(first, second)
    target = np.zeros((20, 3))
    if tied == "same layer":  # it overwrites what the other use has left
        assert check_gradients(run, [first, second], batch=(X, target)).verdict is Verdict.FAIL
        return
    report = check_gradients(run, [first, second], batch=(X, target))
    assert report.passed
    assert "layers[0].weights = layers[1].weights" in report.blocks


def test_a_list_of_gradients_put_together_from_those_of_the_layers_counts_once():
    class Both:
        def __init__(self):
            self.layers = [Dense(3, 2)]
            self.params = [self.layers[0].weights, self.layers[0].biases]
            self.grads = []

        def run(self, X, y):
            loss = dense_run(self.layers[0], Eye())(X, y)
            self.grads = [self.layers[0].dweights.copy(), self.layers[0].dbiases.copy()]
            return loss

    net = Both()
    report = check_gradients(net.run, net, batch=(X, Y))
    assert report.passed
    assert list(report.blocks) == ["params[0]", "params[1]"]


def test_a_buffer_that_becomes_the_first_gradient_is_not_added_to_itself():
    """``None`` before a run is ``None`` again after it, as the loop has it."""
    weight, buffer = Tensor(np.ones((3, 2))), np.zeros((3, 2))

    def run(X, y):
        difference = X @ weight.cached_data - y
        buffer[...] = X.T @ difference
        weight.grad = buffer if weight.grad is None else weight.grad + buffer
        return 0.5 * float(np.sum(difference**2))

    assert check_gradients(run, [weight], batch=(X, Y)).passed
    assert weight.grad is None


@pytest.mark.parametrize("effort", ["quick", "exhaustive"])
def test_every_effort_checks_an_object(effort):
    layer = Dense(3, 2)
    run = dense_run(layer, Eye())
    assert check_gradients(run, layer, batch=(X, Y), effort=effort).passed
    layer.sum = np.mean
    assert not check_gradients(run, layer, batch=(X, Y), effort=effort).passed


# Updates inside the backward pass.


class Updates:
    """A network that has no gradients to show: its backward pass updates."""

    def __init__(self, *, rebinds=False, **habits):
        self.W, self.b = np.random.default_rng(7).normal(size=(3, 2)), np.zeros(2)
        self.rebinds, self.habits, self.velocity = rebinds, habits, np.zeros((3, 2))

    def loss(self, X, y):
        return 0.5 * float(np.sum((X @ self.W + self.b - y) ** 2)) / len(y)

    def train_step(self, X, y):
        difference = (X @ self.W + self.b - y) / len(y)
        dW, db = X.T @ difference, difference.sum(axis=0) * self.habits.get("factor", 1)
        dW = dW + self.habits.get("decay", 0) * self.W
        dW = np.clip(dW, -self.habits.get("clip", np.inf), self.habits.get("clip", np.inf))
        self.velocity = self.habits.get("momentum", 0) * self.velocity + dW
        if self.rebinds:
            self.W, self.b = self.W - 0.1 * self.velocity, self.b - 0.1 * db
        else:
            self.W -= 0.1 * self.velocity
            self.b -= 0.1 * db


def from_update(net, *, live=False):
    arrays = {"W": net.W, "b": net.b}
    return Objective.from_update(
        net.train_step,
        (lambda: {"W": net.W, "b": net.b}) if live else arrays,
        learning_rate=0.1,
        loss=net.loss,
    )


@pytest.mark.parametrize("rebinds", [False, True])
@pytest.mark.parametrize("live", [False, True])
def test_an_update_inside_the_backward_pass_is_checked_by_what_it_did(rebinds, live):
    net = Updates(rebinds=rebinds)
    before = net.W, net.W.tobytes(), net.velocity
    report = check_gradients(from_update(net, live=live), batch=(X, Y))
    assert report.verdict is Verdict.PASS
    assert report.notes[0] == (
        "the gradient is what train_step changes, over 0.1: momentum, weight decay and clipping "
        "count as part of it"
    )
    assert (net.W, net.W.tobytes(), net.velocity) == before or net.W is before[0]
    assert net.W.tobytes() == before[1]
    net = Updates(rebinds=rebinds, factor=2)
    assert check_gradients(from_update(net, live=live), batch=(X, Y)).failing == ("b",)


@pytest.mark.parametrize("habit", [{"momentum": 0.9}, {"decay": 0.1}, {"clip": 0.05}])
def test_what_else_an_update_does_is_part_of_the_mismatch(habit):
    assert check_gradients(from_update(Updates(**habit)), batch=(X, Y)).failing == ("W",)


def test_a_function_that_takes_the_weights_may_write_to_them_or_return_new_ones():
    def loss(p, X, y):
        return 0.5 * np.sum((X @ p["W"] - y) ** 2) / len(y)

    def gradient(p, X, y):
        return X.T @ (X @ p["W"] - y) / len(y)

    def writes(p, X, y):
        p["W"] -= 0.1 * gradient(p, X, y)

    def returns(p, X, y):
        return {"W": p["W"] - 0.1 * gradient(p, X, y)}

    for update in (writes, returns):
        objective = Objective.from_update(
            update, {"W": np.ones((3, 2))}, learning_rate=0.1, loss=loss
        )
        assert check_gradients(objective, batch=(X, Y)).verdict is Verdict.PASS


def test_an_update_that_changes_nothing_in_reach_is_told_how_it_is_found():
    hidden = {"W": np.ones((3, 2))}

    def update(X, y):
        hidden["W"] = hidden["W"] - 0.1

    step = Objective.from_update(
        update, {"W": np.ones((3, 2))}, learning_rate=0.1, loss=lambda X, y: float(np.sum(X))
    )
    with pytest.raises(ObjectiveError, match="update changed none of W: where it binds new arrays"):
        check_gradients(step, batch=(X, Y))
    net = Updates()
    whole = Objective.from_update(net.train_step, net, learning_rate=0.1, loss=net.loss)
    with pytest.raises(ParameterTypeError, match=r"a Updates|an Updates") as caught:
        check_gradients(whole, batch=(X, Y))
    assert "write parameters=lambda: {'W1': net.W1, ...}" in str(caught.value)
    for rate in (0, -1.0, None, True):
        with pytest.raises(gradhook.errors.OptionError, match="learning_rate must be the positive"):
            Objective.from_update(net.train_step, {}, learning_rate=rate, loss=net.loss)


# What functions return.


WEIGHTS = {"W": np.ones((3, 2)), "b": np.zeros(2)}


def computed(p, X, y, factor=1):
    difference = (X @ p["W"] + p["b"] - y) / len(y)
    loss = 0.5 * float(np.sum(difference**2)) * len(y)
    return loss, X.T @ difference, factor * difference.sum(axis=0)


class Coefficients:
    """An estimator whose weights are attributes, one of them a number."""

    def __init__(self, factor=1):
        self.coef_, self.intercept_, self.n_iter_, self.factor = np.ones(3), 0.5, 3.0, factor

    def loss_and_gradients(self, X, y):
        r = (X @ self.coef_ + self.intercept_ - y[:, 0]) / len(y)
        loss = 0.5 * float(r @ r) * len(y)
        return loss, {"coef_": X.T @ r, "intercept_": self.factor * float(r.sum())}


class Apart(Coefficients):
    """The same in two methods."""

    def loss(self, X, y):
        return Coefficients.loss_and_gradients(self, X, y)[0]

    def gradient(self, X, y):
        gradients = Coefficients.loss_and_gradients(self, X, y)[1]
        return {f"d{name}": gradient for name, gradient in gradients.items()}

    loss_and_gradients = None


class Both(Coefficients):
    """The same under the name of CS231n's method."""

    loss = Coefficients.loss_and_gradients
    loss_and_gradients = None


@pytest.mark.parametrize("kind", [Coefficients, Apart, Both])
def test_weights_are_the_attributes_that_the_returned_gradients_name(kind):
    model = kind()
    report = check_gradients(model, batch=(X, Y))
    assert {n: str(b.verdict) for n, b in report.blocks.items()} == {
        "coef_": "PASS",
        "intercept_": "PASS",
    }
    assert (model.intercept_, type(model.intercept_)) == (0.5, float)
    assert any("gradients are returned, by name; weights and grad" in note for note in report.notes)
    assert check_gradients(kind(2), batch=(X, Y)).failing == ("intercept_",)


def test_a_model_whose_loss_makes_both_passes_is_an_objective_by_itself():
    class Whole(Dense):
        def loss(self, X, y):
            return dense_run(self, Eye())(X, y)

    assert list(check_gradients(Whole(3, 2), batch=(X, Y)).blocks) == ["weights", "biases"]


def test_a_mapping_goes_by_its_names_and_by_its_rows():
    def f(p, *, images, labels):
        assert len(images) == len(labels) == 7
        return computed(p, images, labels)

    report = check_gradients(f, WEIGHTS, batch={"labels": Y, "images": X})
    assert report.passed
    assert len(report.rows) == 7
    run = dense_run(first := Dense(3, 2), Eye())
    assert check_gradients(run, first, batch={"y": Y, "X": X}).passed
    check = GradCheckCallback(f, WEIGHTS, batch={"labels": Y, "images": X}, enabled=True)
    assert check.on_train_begin().passed


def test_a_mapping_that_goes_by_no_names_is_one_item():
    def f(p, batch):
        return computed(p, batch["X"], batch["y"])

    assert check_gradients(f, WEIGHTS, batch={"X": X, "y": Y}).passed


def test_a_subset_and_a_penalty_of_the_users_go_with_a_mapping():
    def f(p, X, y):
        loss, dW, db = computed(p, X, y)
        return loss, dW + 0.1 * p["W"], db

    report = check_gradients(
        f,
        WEIGHTS,
        batch={"X": X, "y": Y},
        subset=lambda batch, rows: {name: array[rows] for name, array in batch.items()},
        penalty=lambda p, X, y: 0.05 * np.sum(p["W"] ** 2),
    )
    assert report.passed


# One unrolled vector.


PARTS = {"W": (3, 2), "b": 2}
THETA = np.concatenate([np.linspace(-1, 1, 6), np.zeros(2)])


def unrolled(theta, X, y, bug=1):
    p = {"W": theta[:6].reshape(3, 2), "b": theta[6:]}
    loss, dW, db = computed(p, X, y, bug)
    return loss, np.concatenate([dW.ravel(), db])


def test_parts_of_a_vector_are_blocks_with_names_and_shapes():
    report = check_gradients(unrolled, THETA, batch=(X, Y), parts=PARTS)
    assert report.passed
    assert {n: b.shape for n, b in report.blocks.items()} == {"W": (3, 2), "b": (2,)}
    wrong = check_gradients(
        lambda theta, X, y: unrolled(theta, X, y, 2), THETA, batch=(X, Y), parts=PARTS
    )
    assert wrong.failing == ("b",)
    assert "parts={'W': (3, 2), 'b': 2}" in wrong.reproduce()


def test_parts_are_moved_in_place_where_the_vector_is_read_there():
    theta, before = THETA.copy(), THETA.tobytes()
    objective = Objective(parameters=theta, loss_and_gradients=lambda X, y: unrolled(theta, X, y))
    assert check_gradients(objective, batch=(X, Y), parts=PARTS).passed
    assert theta.tobytes() == before


def test_parts_are_named_in_the_scipy_adapter_and_penalties_choose_among_them():
    from gradhook.integrations import scipy_optimize

    check = scipy_optimize.callback(
        unrolled, True, args=(X, Y), x0=THETA, parts=PARTS, enabled=True
    )
    assert list(check.last_report.blocks) == ["W", "b"]

    def penalised(theta, X, y):
        loss, gradient = unrolled(theta, X, y)
        return loss, gradient + np.where(np.arange(8) < 6, 0.1 * theta, 0)

    report = check_gradients(
        penalised, THETA, batch=(X, Y), parts=PARTS, penalty=gradhook.L2(0.1, "W")
    )
    assert report.passed


@pytest.mark.parametrize(
    ("parameters", "parts", "said"),
    [
        (THETA, {"W": (3, 2)}, "parts= names 6 = 6 numbers (W), and the vector holds 8"),
        ({"theta": THETA}, PARTS, "the parameters are a dict of 1: leave parts= out, or pass the"),
        (THETA, {"W": (3, 0)}, "the shape of 'W' is (3, 0)"),
        (THETA, [6, 2], "parts must name the slices of one vector"),
    ],
)
def test_parts_that_are_not_those_of_the_vector_are_refused(parameters, parts, said):
    with pytest.raises(gradhook.GradhookError) as caught:
        check_gradients(unrolled, parameters, batch=(X, Y), parts=parts)
    assert said in str(caught.value)


def test_a_lone_array_is_called_as_the_signature_calls_it_and_items_of_a_list_by_number():
    assert list(check_gradients(lambda w: (w @ w, 2 * w), np.ones(2)).blocks) == ["w"]
    assert list(check_gradients(lambda *a: (a[0] @ a[0], 2 * a[0]), np.ones(2)).blocks) == ["x"]

    def f(weights):
        return sum(float(w @ w) for w in weights), [2 * w for w in weights]

    assert list(check_gradients(f, [np.ones(2), np.ones(3)]).blocks) == ["params[0]", "params[1]"]


# Generated models.


@pytest.mark.parametrize("samples", [7, None])
def test_no_activation_is_taken_for_a_parameter_and_no_pair_missed(samples):
    wrong = []
    for seed in range(100):
        model = generated_models.Model(seed)
        objective, options = Objective.of(model.run, model.root), Options(samples=samples)
        with read(objective, options, generated_models.batch()) as given:
            found = {id(array) for array in given.objective.parameters.values()}
        if found != {id(array) for array in model.weights}:
            wrong.append((seed, model.manner, given.objective.notes))
    assert wrong == []


@pytest.mark.parametrize("seed", range(12))
def test_a_generated_model_is_checked_and_left_as_it_was(seed):
    model = generated_models.Model(seed)
    before = {id(w): w.tobytes() for w in model.weights}, sorted(vars(model.places[0]))
    report = check_gradients(model.run, model.root, batch=generated_models.batch())
    assert report.verdict is Verdict.PASS
    assert ({id(w): w.tobytes() for w in model.weights}, sorted(vars(model.places[0]))) == before
    leave = model._leave
    model._leave = lambda i, dW, db: leave(i, dW, 1.5 * db if i == 0 else db)
    assert len(check_gradients(model.run, model.root, batch=generated_models.batch()).failing) == 1


# Where nothing is found, or something else.


def test_an_object_without_gradients_is_told_what_was_seen_and_what_to_write():
    class Plain:
        def __init__(self):
            self.W, self.b = np.ones((3, 2)), np.zeros(2)

    net = Plain()
    with pytest.raises(ObjectiveError) as caught:
        check_gradients(lambda X, y: float(np.sum(X @ net.W)), net, batch=(X, Y))
    assert str(caught.value).startswith(
        "no weight with a gradient was found on a Plain after a run.  Arrays seen: W (3, 2) (no "
        "gradient), b (2,) (no gradient).  Write check_gradients(f, {'W': ...}, batch=...), where"
    )


def test_an_update_inside_the_run_is_told_of_from_update():
    class Updating(Dense):
        def run(self, X, y):
            loss = dense_run(self, Eye())(X, y)
            self.weights -= 0.1 * self.dweights
            self.biases -= 0.1 * self.dbiases
            return loss

    layer = Updating(3, 2)
    before = layer.weights.tobytes()
    with pytest.raises(ObjectiveError, match=r"use Objective\.from_update") as caught:
        check_gradients(layer.run, layer, batch=(X, Y))
    assert "weights (3, 2) (written by the run)" in str(caught.value)
    assert layer.weights.tobytes() == before


def test_a_run_that_returns_gradients_too_is_told_to_name_the_weights():
    layer = Dense(3, 2)
    run = dense_run(layer, Eye())
    with pytest.raises(LossTypeError, match="run returned a tuple of 2: with an object that holds"):
        check_gradients(named(lambda X, y: (run(X, y), layer.dweights)), layer, batch=(X, Y))


def named(function):
    function.__name__ = "run"
    return function


def test_a_run_that_takes_the_object_first_is_given_it():
    layer = Dense(3, 2)
    report = check_gradients(lambda net, X, y: dense_run(net, Eye())(X, y), layer, batch=(X, Y))
    assert report.passed


@pytest.mark.parametrize("kind", [np.asarray, float])
def test_weights_too_large_for_the_guard_are_where_they_were_after_the_runs(kind):
    layer = Dense(3, 2)
    layer.scale, layer.dscale = kind(0.5), kind(0.0)
    before = layer.weights, layer.weights.tobytes(), layer.scale
    run = dense_run(layer, Eye())

    def scaled(X, y):
        layer.dscale = kind(run(X, y))
        return layer.scale * float(layer.dscale)

    Held(scaled, layer).discover((X, Y), (), (), lambda: None)
    assert layer.weights is before[0]
    assert (layer.weights.tobytes(), layer.scale) == before[1:]


def test_a_gradient_that_is_gone_after_a_later_run_is_an_error():
    layer = Dense(3, 2)
    held = Held(dense_run(layer, Eye()), layer)
    held.discover((X, Y), (), (), lambda: None)
    layer.backward = lambda dvalues: vars(layer).pop("dweights", None)
    with pytest.raises(GradientNameError, match="after the run dweights is None, where the grad"):
        held.function(X, Y)


def test_an_exception_of_the_run_leaves_everything_as_it_was():
    layer = Dense(3, 2)

    def run(X, y):
        dense_run(layer, Eye())(X, y)
        raise ZeroDivisionError("mine")

    before = sorted(vars(layer)), layer.weights.tobytes()
    with pytest.raises(ZeroDivisionError, match="mine"):
        check_gradients(run, layer, batch=(X, Y))
    assert (sorted(vars(layer)), layer.weights.tobytes()) == before


def test_a_matrix_whose_gradient_is_transposed_is_refused_by_its_shape():
    layer = Dense(3, 2)

    def run(X, y):
        loss = dense_run(layer, Eye())(X, y)
        layer.dweights = layer.dweights.T
        return loss

    with pytest.raises(gradhook.errors.GradientShapeError, match=r"'weights' has shape \(2, 3\)"):
        check_gradients(run, layer, batch=(X, Y))
