"""First answers: every natural first attempt gets one sentence that says what to write."""

import asyncio

import numpy as np
import pytest

from gradhook import GradCheckCallback, check_gradients
from gradhook.errors import GradhookError

X, Y = np.ones((9, 3)), np.ones((9, 2))
WEIGHTS = {"W": np.ones((3, 2))}


class Net:
    """A model that holds weights and gradients."""

    def __init__(self):
        self.W1, self.dW1 = np.ones((3, 2)), None

    def forward(self, inputs):
        return inputs @ self.W1

    def backward(self, dout):
        self.dW1 = X.T @ dout


class Affine(Net):
    """A layer whose name begins with a vowel."""


class Plain:
    """A class whose method is taken without an instance."""

    def loss(self, p, X, y):
        return f(p, X, y)


class Tape:
    """A tensor of a tape."""

    def __init__(self):
        self.data, self.grad = np.ones(3), None


class Module:
    """As PyTorch's, as far as names go."""

    __module__ = "torch.nn.modules.module"


class Linear(Module):
    __module__ = "models"


Tensor = type("Tensor", (), {"__module__": "torch", "__array__": lambda self: np.ones(1)})


def f(p, X, y):
    return float(np.sum(X @ p["W"])), {"W": X.sum(axis=0)[:, None] * np.ones((1, 2))}


def keyed(p, *, X, y):
    return f(p, X, y)


def scaled(p, X, y, c=1.0):
    loss, gradients = f(p, X, y)
    return c * loss, {name: c * gradient for name, gradient in gradients.items()}


def spread(W, b, X, y):
    loss, gradients = f({"W": W}, X, y)
    return loss + np.sum(b), {**gradients, "b": np.ones(2)}


async def awaited(*given):
    return f(*given)


def train_step(X, y, rate):
    return 1.0


def named(rename):
    def f(p, X, y):
        return float(np.sum(X @ p["W"])), rename(X.sum(axis=0)[:, None] * np.ones((1, 2)))

    return f


RUN = (
    "write check_gradients(run, {}, batch=(X, y)), where run(X, y) makes the forward and the "
    "backward pass and returns the loss"
)
ATTACH = "write gradhook.integrations.pytorch_module.attach(module, criterion=criterion)"
LOSS_TOO = (
    "the gradients are themselves (loss, gradients): pass the function that returns both alone, "
    "without gradient="
)

ATTEMPTS = {
    "a model": (
        lambda: check_gradients(Net(), batch=(X, Y)),
        f"a Net with forward, backward, W1 is not an objective by itself: {RUN.format('net')}",
    ),
    "a layer": (
        lambda: check_gradients(Affine(), batch=(X, Y)),
        f"an Affine with forward, backward, W1 is not an objective by itself: {RUN.format('net')}",
    ),
    "a list of layers": (
        lambda: check_gradients([Affine(), Net()], batch=(X, Y)),
        f"a list of 2 layers (Affine, Net) is not an objective: {RUN.format('layers')}",
    ),
    "a torch module": (
        lambda: check_gradients(Linear(), batch=(X, Y)),
        f"a Linear is a torch.nn.Module, whose gradients PyTorch computes: {ATTACH}",
    ),
    "a torch module's parameters": (
        lambda: check_gradients(f, [Tensor()], batch=(X, Y)),
        f"the parameters are PyTorch's (a list): {ATTACH}",
    ),
    "a torch module for parameters": (
        lambda: check_gradients(f, Linear(), batch=(X, Y)),
        f"the parameters are PyTorch's (a Linear): {ATTACH}",
    ),
    "a tape tensor": (
        lambda: check_gradients(Tape()),
        (
            "a Tape with .data and .grad is a result and no function: write check_gradients(run, "
            "[w, b], batch=(X, y)), where run(X, y) computes the loss, calls its backward() and "
            "returns it"
        ),
    ),
    "the batch by position": (
        lambda: check_gradients(f, WEIGHTS, X, Y),
        (
            "check_gradients takes the objective and the parameters by position, and 2 more were "
            "passed: write check_gradients(f, parameters, batch=(X, y))"
        ),
    ),
    "the batch by position, in a callback": (
        lambda: GradCheckCallback(f, WEIGHTS, X, enabled=False),
        (
            "GradCheckCallback takes the objective and the parameters by position, and 1 more was "
            "passed: write GradCheckCallback(f, parameters, batch=(X, y))"
        ),
    ),
    "epsilon=": (
        lambda: check_gradients(f, WEIGHTS, batch=(X, Y), epsilon=1e-7),
        (
            "epsilon= is no option here: the step is chosen for you, block by block, so leave it "
            "out; for one of your own pass method=gradhook.difference.Central(step=1e-5)"
        ),
    ),
    "rtol=": (
        lambda: check_gradients(f, WEIGHTS, batch=(X, Y), rtol=1e-3),
        "rtol= is no option here: write tolerance=gradhook.Tolerance(fail=1e-4)",
    ),
    "args=": (
        lambda: check_gradients(f, WEIGHTS, args=(X, Y)),
        (
            "args= is no option here: write batch=(X, y), what the function takes besides the "
            "parameters"
        ),
    ),
    "jac=": (
        lambda: check_gradients(f, WEIGHTS, jac=f),
        "jac= is no option here: write gradient=, the function that computes the gradient",
    ),
    "batch=X": (
        lambda: check_gradients(f, WEIGHTS, batch=X),
        (
            "f(p, X, y) fits neither (parameters, *batch) nor (*batch) for a batch of 1 item(s): "
            "pass as batch= what it takes besides the parameters, batch=(X, y)"
        ),
    ),
    "keywords by position": (
        lambda: check_gradients(keyed, WEIGHTS, batch=(X, Y)),
        (
            "keyed(p, *, X, y) fits neither (parameters, *batch) nor (*batch) for a batch of 2 "
            'item(s): pass as batch= what it takes besides the parameters, batch={"X": X, "y": y}'
        ),
    ),
    "other keys": (
        lambda: check_gradients(f, WEIGHTS, batch={"X": X, "labels": Y}),
        (
            "f(p, X, y) fits neither (parameters, *batch) nor (*batch) for a batch whose 'labels' "
            "it does not take: pass as batch= what it takes besides the parameters, batch=(X, y)"
        ),
    ),
    "other keys, beside an object": (
        lambda: check_gradients(train_step, Net(), batch={"data": X, "labels": Y}),
        (
            "train_step(X, y, rate) is not called with a batch whose 'data', 'labels' it does not "
            "take: write check_gradients(train_step, ..., batch=(X, y, rate))"
        ),
    ),
    "a key too few": (
        lambda: check_gradients(scaled, WEIGHTS, batch={"X": X, "c": 2.0}),
        (
            "scaled(p, X, y, c=1.0) fits neither (parameters, *batch) nor (*batch) for a batch of "
            "2 item(s): pass as batch= what it takes besides the parameters, batch=(X, y)"
        ),
    ),
    "weights one by one": (
        lambda: check_gradients(spread, {**WEIGHTS, "b": np.zeros(2)}, batch=(X, Y)),
        (
            "spread(W, b, X, y) fits neither (parameters, *batch) nor (*batch) for a batch of 2 "
            "item(s): pass lambda p, X, y: spread(p['W'], p['b'], X, y)"
        ),
    ),
    "a method without its instance": (
        lambda: check_gradients(Plain.loss, WEIGHTS, batch=(X, Y)),
        (
            "loss(self, p, X, y) fits neither (parameters, *batch) nor (*batch) for a batch of 2 "
            "item(s): call it on an instance, as in check_gradients(net.loss, ...)"
        ),
    ),
    "gradients under other names": (
        lambda: check_gradients(named(lambda g: {"kernel": g}), WEIGHTS, batch=(X, Y)),
        (
            "no gradient for W: the parameters are W; the gradients are kernel. If they are named "
            "by another rule, pass it, for example gradient_name={'W': 'kernel'}"
        ),
    ),
    "a tuple for a dictionary": (
        lambda: check_gradients(named(lambda g: (g, g)), WEIGHTS, batch=(X, Y)),
        (
            "the gradients are a tuple of 2, the parameters are W: return a dictionary with the "
            "gradient of each under its name, or all of them in this order"
        ),
    ),
    "an integer array": (
        lambda: check_gradients(f, {"W": np.ones((3, 2), int)}, batch=(X, Y)),
        (
            "parameter 'W' has dtype int64; a derivative needs real floating-point numbers: "
            "convert it, for example with numpy.asarray(..., dtype=float)"
        ),
    ),
    "a list of names": (
        lambda: check_gradients(f, ["W1", "b1"], batch=(X, Y)),
        (
            "the parameters are a list of names, 'W1', 'b1', and arrays are needed: write {'W1': "
            "net.W1, 'b1': net.b1}, or pass the object that holds weights and gradients"
        ),
    ),
    "a name": (
        lambda: check_gradients(f, "W1", batch=(X, Y)),
        (
            "the parameters are the name 'W1', and arrays are needed: write {'W1': net.W1}, or "
            "pass the object that holds weights and gradients"
        ),
    ),
    "names in one string": (
        lambda: check_gradients(f, "W1, b1", batch=(X, Y)),
        (
            "the parameters are the names 'W1', 'b1', and arrays are needed: write {'W1': net.W1, "
            "'b1': net.b1}, or pass the object that holds weights and gradients"
        ),
    ),
    "a name that is no attribute": (
        lambda: check_gradients(f, ["0.weight"], batch=(X, Y)),
        (
            "the parameters are a list of names, '0.weight', and arrays are needed: write "
            "{'0.weight': ...}, or pass the object that holds weights and gradients"
        ),
    ),
    "the values of a dictionary": (
        lambda: check_gradients(f, WEIGHTS.values(), batch=(X, Y)),
        (
            "the parameters are a dict_values: write list(...) around it, or pass the dictionary "
            "itself"
        ),
    ),
    "a call in place of the function": (
        lambda: check_gradients(f(WEIGHTS, X, Y), WEIGHTS, batch=(X, Y)),
        "a tuple of a loss and more is no function: pass the function, without calling it",
    ),
    "an async function": (
        lambda: check_gradients(awaited, WEIGHTS, batch=(X, Y)),
        (
            "awaited is async, and no call of it is awaited: pass a function that waits for it, "
            "as lambda *given: asyncio.run(awaited(*given))"
        ),
    ),
    "pairs of name and gradient": (
        lambda: check_gradients(
            named(lambda g: [("W", g), ("b", g[0])]), {**WEIGHTS, "b": np.zeros(2)}, batch=(X, Y)
        ),
        (
            "the gradients are a list of 2, the parameters are W, b: write dict(...) around its "
            "pairs"
        ),
    ),
    "an iterator": (
        lambda: check_gradients(f, iter([1.0]), batch=(X, Y)),
        (
            "the parameters are a list_iterator, which can be read once, and every check reads "
            "them: write list(...) around it, or pass a function that returns it as a list"
        ),
    ),
    "a class": (
        lambda: check_gradients(f, Net, batch=(X, Y)),
        "the parameters are the class Net; pass an instance of it",
    ),
    "no parameters": (
        lambda: check_gradients(f, batch=(X, Y)),
        (
            "the parameters to check are missing: pass parameters=, as in check_gradients(f, {'W': "
            "W, 'b': b}, batch=...)"
        ),
    ),
    "a loss alone": (
        lambda: check_gradients(lambda p: 1.0, WEIGHTS),
        (
            "<lambda> must return (loss, gradients); it returned a float: return the gradients "
            "too, pass the function that computes them as gradient=, or as parameters the object "
            "that holds weights and gradients"
        ),
    ),
    "two gradients": (
        lambda: check_gradients((f, f), WEIGHTS, batch=(X, Y), gradient=f),
        "a pair (loss, gradient) and gradient= are two gradients",
    ),
    "gradient= that returns the loss too": (
        lambda: check_gradients(lambda p, X, y: f(p, X, y)[0], WEIGHTS, gradient=f, batch=(X, Y)),
        LOSS_TOO,
    ),
    "gradient= that returns the loss too, of one array": (
        lambda: check_gradients(cube, np.ones(2), gradient=lambda x: (cube(x), slope(x))),
        LOSS_TOO,
    ),
    "gradient= that returns the loss too, of a list": (
        lambda: check_gradients(
            lambda p: cube(p[0]),
            [np.ones(2)],
            gradient=lambda p: (cube(p[0]), [slope(p[0])]),
        ),
        LOSS_TOO,
    ),
    "gradient= beside a model": (
        lambda: check_gradients(Tape(), WEIGHTS, gradient=f),
        (
            "gradient= goes with a function that returns the loss, and a Tape was passed: leave it "
            "out, or pass the function"
        ),
    ),
    "gradient= that is an array": (
        lambda: check_gradients(f, WEIGHTS, gradient=np.ones(3)),
        (
            "gradient= takes the function that computes the gradient of a loss that is passed "
            "first, got an ndarray"
        ),
    ),
    "both of two and gradient=": (
        lambda: check_gradients(f, WEIGHTS, batch=(X, Y), gradient=f),
        (
            "the loss must be one real number; the function returned a tuple of 2: a function that "
            "returns (loss, gradients) is passed as loss_and_gradients=, or alone, without "
            "gradient="
        ),
    ),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_first_attempt_gets_one_sentence_that_says_what_to_write(attempt):
    act, said = ATTEMPTS[attempt]
    with pytest.raises((GradhookError, TypeError)) as caught:
        act()
    assert str(caught.value) == said


def cube(x, *c):
    return np.sum(x**3)


def slope(x, *c):
    return 3 * x**2


def plain(*batch, train=True):
    return f(*batch)


FOLLOWED = {
    "the batch by position": (lambda: check_gradients(f, WEIGHTS, X, Y), ""),
    "a tuple by position": (lambda: check_gradients(f, WEIGHTS, (X, Y)), ""),
    "half a batch": (lambda: check_gradients(f, WEIGHTS, X), ""),
    "any batch": (lambda: check_gradients(plain, WEIGHTS, (X, Y)), ""),
    "a default": (lambda: check_gradients(scaled, WEIGHTS, X, Y, 2.0), "batch=(X, y, z))"),
    "a model, and a function of its parameters": (
        lambda: check_gradients(Plain().loss, WEIGHTS.copy, X, Y),
        "check_gradients(loss, parameters, batch=(X, y))",
    ),
    "SciPy's order": (lambda: check_gradients(cube, slope, np.ones(2)), "x0, gradient=slope)"),
    "SciPy's order and arguments": (lambda: check_gradients(cube, slope, np.ones(2), 3), "(X,))"),
    "keywords by position": (lambda: check_gradients(keyed, WEIGHTS, (X, Y)), '{"X": X, "y": y}'),
}


@pytest.mark.parametrize("attempt", FOLLOWED)
def test_what_a_refusal_says_to_write_is_code_that_passes(attempt):
    act, said = FOLLOWED[attempt]
    with pytest.raises((GradhookError, TypeError)) as caught:
        act()
    code = str(caught.value).partition(": write ")[2]
    assert said in code
    names = {
        **globals(),
        "parameters": WEIGHTS,
        "y": Y,
        "loss": Plain().loss,
        "x0": np.ones(2),
        "z": 2.0,
    }
    assert eval(code, names).passed


@pytest.mark.parametrize(
    ("function", "parameters"), [(spread, {"b": np.zeros(2), **WEIGHTS}), (awaited, WEIGHTS)]
)
def test_the_function_that_a_refusal_writes_passes(function, parameters):
    with pytest.raises(GradhookError, match=r"pass .*lambda") as caught:
        check_gradients(function, parameters, batch=(X, Y))
    written = eval(
        f"lambda {str(caught.value).partition(' lambda ')[2]}", {**globals(), "asyncio": asyncio}
    )
    assert check_gradients(written, parameters, batch=(X, Y)).passed
