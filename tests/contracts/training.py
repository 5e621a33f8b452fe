"""Training loops as people write them, to be run with the check on and off.

A run is a *style* (where parameters and state live), an *optimiser*, and a *feature* (state that an
evaluation of the loss changes).  The network is small and right: an affine layer, perhaps batch
normalisation, perhaps a hidden state carried from batch to batch, tanh, perhaps dropout, an affine
layer, mean squares.  ``train`` returns everything that training leaves behind as bytes.
"""

from __future__ import annotations

import functools
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradhook import GradCheckCallback, Objective, schedules

FEATURES = (
    "global_numpy",  # dropout from np.random
    "global_python",  # dropout from random
    "generator",  # dropout from a numpy.random.Generator of the model's own
    "random_state",  # dropout from a RandomState
    "python_random",  # dropout from a random.Random
    "batch_norm",  # running statistics, rebound
    "batch_norm_in_place",  # running statistics, written in place
    "hidden_state",  # carried from batch to batch
    "shuffle",  # the order of the data from the generator that also draws the dropout
    "buffers",  # gradients in buffers that are written over
    "mode",  # a flag that the loss sets, a counter, a list of losses
    "together",  # all of the following
)
TOGETHER = ("generator", "batch_norm_in_place", "hidden_state", "shuffle", "buffers", "mode")
OPTIMISERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
KEEP = 0.8
WIDTHS = (3, 4, 2)


@dataclass(slots=True)
class State:
    """What evaluations of the loss change besides returning a number."""

    feature: str
    rng: Any = None
    mean: Any = field(default_factory=lambda: np.zeros(WIDTHS[1]))
    var: Any = field(default_factory=lambda: np.ones(WIDTHS[1]))
    hidden: Any = field(default_factory=lambda: np.zeros(WIDTHS[1]))
    buffers: dict[str, Any] = field(default_factory=dict)
    training: bool = False
    calls: int = 0
    losses: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, feature: str) -> State:
        made: dict[str, Callable[[], Any]] = {
            "random_state": lambda: np.random.RandomState(5),
            "python_random": lambda: random.Random(5),
        }
        return cls(feature, made.get(feature, lambda: np.random.default_rng(5))())

    def has(self, feature: str) -> bool:
        """Whether this run has a feature."""
        return self.feature == feature or (self.feature == "together" and feature in TOGETHER)

    def mask(self, shape: tuple[int, ...]) -> Any:
        """A dropout mask from wherever this feature draws, or ones."""
        count = int(np.prod(shape))
        if self.feature == "global_numpy":
            # An odd count of normal numbers leaves the second half of a pair in the stream.
            drawn = np.random.rand(*shape) + 0 * np.random.randn()
        elif self.feature == "global_python":
            drawn = np.array([random.random() for _ in range(count)]).reshape(shape)
        elif self.has("generator") or self.has("shuffle"):
            drawn = self.rng.random(shape)
        elif self.feature == "random_state":
            drawn = self.rng.rand(*shape)
        elif self.feature == "python_random":
            drawn = np.array([self.rng.random() for _ in range(count)]).reshape(shape)
        else:
            return np.ones(shape)
        return (drawn < KEEP) / KEEP


def network(p: Any, state: State, X: Any, y: Any) -> tuple[float, dict[str, Any]]:
    """Loss and gradients, right ones."""
    Z = X @ p["W1"] + p["b1"]
    normed, scale = Z, np.ones(Z.shape[1])
    normalises = state.has("batch_norm") or state.has("batch_norm_in_place")
    if normalises:
        mean, var = Z.mean(0), Z.var(0)
        scale = 1 / np.sqrt(var + 0.1)
        normed = (Z - mean) * scale
        if state.has("batch_norm"):
            state.mean = 0.9 * state.mean + 0.1 * mean
            state.var = 0.9 * state.var + 0.1 * var
        else:
            state.mean *= 0.9
            state.mean += 0.1 * mean
            state.var *= 0.9
            state.var += 0.1 * var
    carried = normed + state.hidden
    A = np.tanh(carried)
    if state.has("hidden_state"):
        state.hidden = A.mean(0)
    mask = state.mask(A.shape)
    D = A * mask
    difference = D @ p["W2"] + p["b2"] - y
    loss = 0.5 * float(np.mean(np.sum(difference**2, axis=1)))
    dO = difference / len(X)
    dN = (dO @ p["W2"].T) * mask * (1 - A**2)
    dZ = dN
    if normalises:
        dZ = scale * (dN - dN.mean(0) - normed * (dN * normed).mean(0))
    gradients = {"W1": X.T @ dZ, "b1": dZ.sum(0), "W2": D.T @ dO, "b2": dO.sum(0)}
    if state.has("buffers"):
        for name, gradient in gradients.items():
            state.buffers.setdefault(name, np.zeros_like(gradient))[...] = gradient
        gradients = state.buffers
    if state.has("mode"):
        state.training = not state.training
        state.calls += 1
        state.losses.append(loss)
    return loss, gradients


def initial() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    a, b, c = WIDTHS
    return {
        "W1": rng.normal(0, 0.5, (a, b)),
        "b1": rng.normal(0, 0.1, b),
        "W2": rng.normal(0, 0.5, (b, c)),
        "b2": rng.normal(0, 0.1, c),
    }


class Optimiser:
    """One of five update rules; returns what is to be subtracted, keeps its moments."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.steps = 0
        self.first: dict[str, Any] = {}
        self.second: dict[str, Any] = {}

    def step(self, name: str, gradient: Any) -> Any:
        m = self.first.setdefault(name, np.zeros_like(gradient))
        v = self.second.setdefault(name, np.zeros_like(gradient))
        rate = 0.05
        if self.rule == "momentum":
            m *= 0.9
            m += gradient
            return rate * m
        if self.rule == "adagrad":
            v += gradient**2
            return rate * gradient / (np.sqrt(v) + 1e-8)
        if self.rule == "rmsprop":
            v *= 0.9
            v += 0.1 * gradient**2
            return rate * gradient / (np.sqrt(v) + 1e-8)
        if self.rule == "adam":
            t = self.steps // len(self.first) + 1
            self.steps += 1
            m += 0.1 * (gradient - m)
            v += 0.001 * (gradient**2 - v)
            return rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        return rate * gradient

    def update(self, parameters: Any, gradients: Any) -> None:
        """Move arrays where they are."""
        for name, gradient in gradients.items():
            parameters[name] -= self.step(name, gradient)

    def updated(self, parameters: Any, gradients: Any) -> Any:
        """Return new arrays in a new dictionary."""
        moved = {name: self.step(name, gradient) for name, gradient in gradients.items()}
        return {name: array - moved[name] for name, array in parameters.items()}


@dataclass
class Loop:
    """What a style hands to the loop.

    Args:
        objective: For the callback.
        parameters: For the callback.
        step: Makes one update on a batch and returns the loss.
        now: The parameters to hand to each hook, ``None`` for none.
        blocks: The parameters by name, for comparing.
        batch: A batch as the objective takes it.
        options: Further keywords of the callback.
    """

    objective: Any
    parameters: Any
    step: Callable[[Any, Any], float]
    blocks: Callable[[], dict[str, Any]]
    now: Callable[[], Any] = lambda: None
    batch: Callable[[Any, Any], Any] = lambda X, y: (X, y)
    options: dict[str, Any] = field(default_factory=dict)


STATE: State  # A module global, as in a notebook.


def _with_global_state(p: Any, X: Any, y: Any) -> tuple[float, Any]:
    return network(p, STATE, X, y)


def functional_dict(state: State, optimiser: Optimiser) -> Loop:
    """A function of a dictionary that is updated in place; its state is a global variable."""
    global STATE
    STATE = state
    parameters = initial()

    def step(X: Any, y: Any) -> float:
        loss, gradients = _with_global_state(parameters, X, y)
        optimiser.update(parameters, gradients)
        return loss

    return Loop(_with_global_state, parameters, step, lambda: parameters)


class Model:
    """A model with ``.params`` and ``.loss(X, y)``, which also holds its optimiser."""

    def __init__(self, state: State, optimiser: Optimiser) -> None:
        self.params = initial()
        self.state = state
        self.optimiser = optimiser

    def loss(self, X: Any, y: Any) -> tuple[float, Any]:
        return network(self.params, self.state, X, y)


def in_place_model(state: State, optimiser: Optimiser) -> Loop:
    """A course's model, whose arrays are updated in place."""
    model = Model(state, optimiser)

    def step(X: Any, y: Any) -> float:
        loss, gradients = model.loss(X, y)
        optimiser.update(model.params, gradients)
        return loss

    return Loop(model, None, step, lambda: model.params)


def rebinding(state: State, optimiser: Optimiser) -> Loop:
    """A new dictionary of new arrays each step, handed to every hook; the state in a closure."""
    parameters = initial()

    def loss_and_gradients(p: Any, X: Any, y: Any) -> tuple[float, Any]:
        return network(p, state, X, y)

    def step(X: Any, y: Any) -> float:
        nonlocal parameters
        loss, gradients = loss_and_gradients(parameters, X, y)
        parameters = optimiser.updated(parameters, gradients)
        return loss

    return Loop(loss_and_gradients, None, step, blocks=lambda: parameters, now=lambda: parameters)


def rebinding_model(state: State, optimiser: Optimiser) -> Loop:
    """A model whose ``.params`` is a new dictionary each step."""
    model = Model(state, optimiser)

    def step(X: Any, y: Any) -> float:
        loss, gradients = model.loss(X, y)
        model.params = optimiser.updated(model.params, gradients)
        return loss

    return Loop(model, None, step, lambda: model.params)


class Affine:
    """A layer of the from-scratch book: references to the arrays, and a cache."""

    def __init__(self, W: Any, b: Any) -> None:
        self.W, self.b = W, b


class BookNetwork:
    """``.params``, ``.loss(x, t)``, ``.gradient(x, t)``; layers hold references to the arrays."""

    def __init__(self, state: State) -> None:
        self.params = initial()
        self.state = state
        self.layers = OrderedDict(
            Affine1=Affine(self.params["W1"], self.params["b1"]),
            Affine2=Affine(self.params["W2"], self.params["b2"]),
        )
        self.cache: Any = None

    def loss(self, x: Any, t: Any) -> float:
        one, two = self.layers["Affine1"], self.layers["Affine2"]
        p = {"W1": one.W, "b1": one.b, "W2": two.W, "b2": two.b}
        loss, self.cache = network(p, self.state, x, t)
        return loss

    def gradient(self, x: Any, t: Any) -> Any:
        self.loss(x, t)
        return self.cache


def book_network(state: State, optimiser: Optimiser) -> Loop:
    """A network whose layers hold references to the arrays that it updates in place."""
    model = BookNetwork(state)

    def step(X: Any, y: Any) -> float:
        gradients = model.gradient(X, y)
        optimiser.update(model.params, gradients)
        return model.loss(X, y)

    return Loop(model, None, step, lambda: model.params)


def nested(state: State, optimiser: Optimiser) -> Loop:
    """A list of layers, each a dictionary; the state is a default argument."""
    flat = initial()
    parameters = [{"W": flat["W1"], "b": flat["b1"]}, {"W": flat["W2"], "b": flat["b2"]}]

    def loss_and_gradients(p: Any, X: Any, y: Any, *, state: State = state) -> tuple[float, Any]:
        named = {"W1": p[0]["W"], "b1": p[0]["b"], "W2": p[1]["W"], "b2": p[1]["b"]}
        loss, g = network(named, state, X, y)
        return loss, [{"W": g["W1"], "b": g["b1"]}, {"W": g["W2"], "b": g["b2"]}]

    def step(X: Any, y: Any) -> float:
        loss, gradients = loss_and_gradients(parameters, X, y)
        for index, layer in enumerate(gradients):
            for name, gradient in layer.items():
                parameters[index][name] -= optimiser.step(f"{name}{index + 1}", gradient)
        return loss

    return Loop(loss_and_gradients, parameters, step, lambda: flat)


def partial(state: State, optimiser: Optimiser) -> Loop:
    """``functools.partial`` with the state among its arguments."""
    parameters = initial()

    def with_state(state: State, p: Any, X: Any, y: Any) -> tuple[float, Any]:
        return network(p, state, X, y)

    objective = functools.partial(with_state, state)

    def step(X: Any, y: Any) -> float:
        loss, gradients = objective(parameters, X, y)
        optimiser.update(parameters, gradients)
        return loss

    return Loop(objective, parameters, step, lambda: parameters)


def closure(state: State, optimiser: Optimiser) -> Loop:
    """Functions of the batch alone, over arrays and a state that ``nonlocal`` rebinds."""
    parameters = initial()
    current = state
    calls = 0

    def loss_and_gradients(X: Any, y: Any) -> tuple[float, Any]:
        nonlocal calls, current
        calls += 1
        # The state is another object after every call, as where ``h, cache = step(x, h)``.
        current = State(**{name: getattr(current, name) for name in State.__slots__})
        result = network(parameters, current, X, y)
        for name in State.__slots__:
            setattr(state, name, getattr(current, name))
        return result

    def step(X: Any, y: Any) -> float:
        loss, gradients = loss_and_gradients(X, y)
        optimiser.update(parameters, gradients)
        return loss

    return Loop(
        loss_and_gradients, parameters, step, lambda: {**parameters, "calls": np.array(calls)}
    )


def backward(cache: list[Any]) -> Any:
    """The gradients that the forward pass has left in the cache."""
    return cache[-1]


def separate(state: State, optimiser: Optimiser) -> Loop:
    """Loss and gradients apart; the gradients read what the loss has cached."""
    parameters = initial()
    cache: list[Any] = []

    def loss(p: Any, X: Any, y: Any) -> float:
        value, gradients = network(p, state, X, y)
        cache[:] = [gradients]
        return value

    def gradients(p: Any, X: Any, y: Any) -> Any:
        return backward(cache)

    def step(X: Any, y: Any) -> float:
        value = loss(parameters, X, y)
        optimiser.update(parameters, gradients(parameters, X, y))
        return value

    objective = Objective(loss=loss, gradients=gradients)
    return Loop(objective, parameters, step, lambda: parameters)


# The doors: forms in which people hand over what they have.


class Holder:
    """An object with weights and, after a run, gradients beside them."""

    def __init__(self, state: State) -> None:
        self.state = state
        for name, array in initial().items():
            setattr(self, name, array)

    @property
    def weights(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("W1", "b1", "W2", "b2")}

    def run(self, X: Any, y: Any) -> float:
        self.inputs = X
        loss, gradients = network(self.weights, self.state, X, y)
        for name, gradient in gradients.items():
            setattr(self, f"d{name}", gradient)
        return loss


def attributes(state: State, optimiser: Optimiser) -> Loop:
    """A run and the object that holds W1 and dW1; its attributes are bound anew each step."""
    net = Holder(state)

    def step(X: Any, y: Any) -> float:
        loss = net.run(X, y)
        for name, array in net.weights.items():
            setattr(net, name, array - optimiser.step(name, getattr(net, f"d{name}")))
        return loss

    return Loop(net.run, net, step, lambda: net.weights)


class ListsLayer:
    """A layer with lists ``params`` and ``grads``."""

    def __init__(self, *params: Any) -> None:
        self.params = list(params)
        self.grads = [np.zeros_like(param) for param in params]


def lists(state: State, optimiser: Optimiser) -> Loop:
    """A run and a list of layers, whose gradients are added to buffers."""
    flat = initial()
    layers = [ListsLayer(flat["W1"], flat["b1"]), ListsLayer(flat["W2"], flat["b2"])]

    def run(X: Any, y: Any) -> float:
        (W1, b1), (W2, b2) = (layer.params for layer in layers)
        loss, g = network({"W1": W1, "b1": b1, "W2": W2, "b2": b2}, state, X, y)
        buffers = [buffer for layer in layers for buffer in layer.grads]
        for buffer, name in zip(buffers, ("W1", "b1", "W2", "b2"), strict=True):
            buffer += g[name]
        return loss

    def step(X: Any, y: Any) -> float:
        loss = run(X, y)
        for index, layer in enumerate(layers):
            for kind, param, grad in zip("Wb", layer.params, layer.grads, strict=True):
                param -= optimiser.step(f"{kind}{index + 1}", grad)
                grad[...] = 0
        return loss

    return Loop(run, layers, step, lambda: flat)


class TapeTensor:
    """Numbers and a gradient."""

    def __init__(self, data: Any) -> None:
        self.data, self.grad = data, None


def tape(state: State, optimiser: Optimiser) -> Loop:
    """A run and a list of tensors with ``.data`` and ``.grad``."""
    tensors = {name: TapeTensor(array) for name, array in initial().items()}

    def run(X: Any, y: Any) -> float:
        loss, g = network({n: tensor.data for n, tensor in tensors.items()}, state, X, y)
        for name, tensor in tensors.items():
            tensor.grad = g[name] if tensor.grad is None else tensor.grad + g[name]
        return loss

    def step(X: Any, y: Any) -> float:
        loss = run(X, y)
        for name, tensor in tensors.items():
            tensor.data = tensor.data - optimiser.step(name, tensor.grad)
            tensor.grad = None
        return loss

    return Loop(run, [*tensors.values()], step, lambda: {n: t.data for n, t in tensors.items()})


def flat_tuple(state: State, optimiser: Optimiser) -> Loop:
    """min-char-rnn's manner: the loss, the gradients in order, and more; the batch by name."""
    parameters = initial()

    def lossFun(p: Any, X: Any, y: Any) -> tuple[Any, ...]:
        loss, g = network(p, state, X, y)
        return loss, g["W1"], g["b1"], g["W2"], g["b2"], state.hidden

    def step(X: Any, y: Any) -> float:
        loss, *gradients, _ = lossFun(parameters, X, y)
        for name, gradient in zip(parameters, gradients, strict=True):
            parameters[name] -= optimiser.step(name, gradient)
        return loss

    named = lambda X, y: {"y": y, "X": X}  # noqa: E731  # one line, and used once
    return Loop(lossFun, parameters, step, lambda: parameters, batch=named)


SHAPES = {"W1": WIDTHS[:2], "b1": WIDTHS[1], "W2": WIDTHS[1:], "b2": WIDTHS[2]}


def theta(state: State, optimiser: Optimiser) -> Loop:
    """One unrolled vector, and ``(gradient, loss)``."""
    vector = np.concatenate([array.ravel() for array in initial().values()])

    def cost(theta: Any, X: Any, y: Any) -> tuple[Any, float]:
        sizes = np.cumsum([int(np.prod(shape)) for shape in SHAPES.values()])[:-1]
        pieces = zip(SHAPES.items(), np.split(theta, sizes), strict=True)
        loss, g = network({n: piece.reshape(shape) for (n, shape), piece in pieces}, state, X, y)
        return np.concatenate([g[name].ravel() for name in SHAPES]), loss

    def step(X: Any, y: Any) -> float:
        gradient, loss = cost(vector, X, y)
        vector[...] -= optimiser.step("theta", gradient)
        return loss

    return Loop(cost, vector, step, lambda: {"theta": vector}, options={"parts": SHAPES})


def updates(state: State, optimiser: Optimiser) -> Loop:
    """A backward pass that updates by itself; the optimiser's moments are the loop's business."""
    net = Holder(state)

    def train_step(X: Any, y: Any) -> None:
        _, gradients = network(net.weights, state, X, y)
        for name, gradient in gradients.items():
            setattr(net, name, getattr(net, name) - 0.05 * gradient)

    def loss(X: Any, y: Any) -> float:
        return network(net.weights, state, X, y)[0]

    def step(X: Any, y: Any) -> float:
        train_step(X, y)
        return loss(X, y)

    objective = Objective.from_update(
        train_step, lambda: net.weights, learning_rate=0.05, loss=loss
    )
    return Loop(objective, None, step, lambda: net.weights)


STYLES: dict[str, Callable[[State, Optimiser], Loop]] = {
    style.__name__: style
    for style in (
        functional_dict,
        in_place_model,
        rebinding,
        rebinding_model,
        book_network,
        nested,
        partial,
        closure,
        separate,
        attributes,
        lists,
        tape,
        flat_tuple,
        theta,
        updates,
    )
}


def batches(state: State, steps: int) -> Iterator[tuple[Any, Any]]:
    """Batches of eight out of 24 rows; where the feature says so, shuffled every epoch."""
    rng = np.random.default_rng(11)
    X, y = rng.normal(size=(24, WIDTHS[0])), rng.normal(size=(24, WIDTHS[-1]))
    order = np.arange(24)
    for step in range(steps):
        if step % 3 == 0 and state.has("shuffle"):
            order = state.rng.permutation(24)
        rows = order[8 * (step % 3) : 8 * (step % 3) + 8]
        yield X[rows], y[rows]


def train(
    style: str, rule: str, feature: str, *, steps: int, enabled: bool, every: int = 10
) -> tuple[dict[str, bytes], Any]:
    """Train, and return everything that is left behind, and the callback's reports."""
    np.random.seed(7)
    random.seed(7)
    state, optimiser = State.of(feature), Optimiser(rule)
    loop = STYLES[style](state, optimiser)
    check = GradCheckCallback(
        loop.objective,
        loop.parameters,
        schedule=schedules.every(every),
        on_fail="record",
        enabled=enabled,
        **loop.options,
    )
    losses = []
    for number, (X, y) in enumerate(batches(state, steps), start=1):
        if number == 1:
            check.on_train_begin(batch=loop.batch(X, y), parameters=loop.now())
        losses.append(loop.step(X, y))
        check.on_step_end(number, batch=loop.batch(X, y), parameters=loop.now())
    check.on_train_end()
    return left_behind(loop, state, optimiser, losses), check.history


def left_behind(
    loop: Loop, state: State, optimiser: Optimiser, losses: list[float]
) -> dict[str, bytes]:
    """Everything that training, or a check, leaves behind."""
    left = {f"parameter {name}": array.tobytes() for name, array in loop.blocks().items()}
    for moments in ("first", "second"):
        left |= {f"{moments} {n}": a.tobytes() for n, a in getattr(optimiser, moments).items()}
    left["steps of the optimiser"] = repr(optimiser.steps).encode()
    left["losses"] = np.array(losses).tobytes()
    for name in ("mean", "var", "hidden"):
        left[name] = getattr(state, name).tobytes()
    left |= {f"buffer {name}": array.tobytes() for name, array in state.buffers.items()}
    left["flags"] = repr((state.training, state.calls)).encode()
    left["losses seen"] = np.array(state.losses).tobytes()
    left["NumPy's stream"] = _stream(np.random.get_state(legacy=False))
    left["Python's stream"] = repr(random.getstate()).encode()
    left["own stream"] = _stream(_state_of(state.rng))
    return left


def _state_of(rng: Any) -> Any:
    if isinstance(rng, random.Random):
        return rng.getstate()
    if isinstance(rng, np.random.RandomState):
        return rng.get_state(legacy=False)
    return rng.bit_generator.state


def _stream(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, dict):
        return b"".join(key.encode() + _stream(item) for key, item in value.items())
    return repr(value).encode()


def everything() -> list[tuple[str, str, str]]:
    """The whole product."""
    return [(s, o, f) for s in STYLES for o in OPTIMISERS for f in FEATURES]
