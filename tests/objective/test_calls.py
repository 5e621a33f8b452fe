"""First answers: every natural first attempt gets one sentence that says what to write."""

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


def named(rename):
    def f(p, X, y):
        return float(np.sum(X @ p["W"])), rename(X.sum(axis=0)[:, None] * np.ones((1, 2)))

    return f


RUN = "write check_gradients(run, net, batch=(X, y)), where net holds weights and gradients"
ATTACH = "write gradhook.integrations.pytorch_module.attach(module, criterion=criterion)"
ARRAYS = "the parameters are names, and arrays are needed: write {'W1': net.W1, ...}"

ATTEMPTS = {
    "a model": (lambda: check_gradients(Net(), batch=(X, Y)), f"by itself: {RUN}"),
    "a list of layers": (lambda: check_gradients([Net(), Net()], batch=(X, Y)), RUN),
    "a tape tensor": (lambda: check_gradients(Tape()), RUN),
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
    "the batch by position": (
        lambda: check_gradients(f, WEIGHTS, X, Y),
        (
            "check_gradients takes the objective and the parameters by position, and 2 more were "
            "passed: write check_gradients(f, parameters, batch=(X, y)), or check_gradients(f, x0, "
            "gradient=g)"
        ),
    ),
    "the batch by position, in a callback": (
        lambda: GradCheckCallback(f, WEIGHTS, X, enabled=False),
        "1 more was passed: write GradCheckCallback(f, parameters, batch=(X, y))",
    ),
    "epsilon=": (
        lambda: check_gradients(f, WEIGHTS, batch=(X, Y), epsilon=1e-7),
        "epsilon= is no option here: the step is chosen for you, block by block, so leave it out",
    ),
    "rtol=": (
        lambda: check_gradients(f, WEIGHTS, batch=(X, Y), rtol=1e-3),
        "rtol= is no option here: write tolerance=gradhook.Tolerance(fail=1e-4)",
    ),
    "args=": (
        lambda: check_gradients(f, WEIGHTS, args=(X, Y)),
        "args= is no option here: write batch=(X, y), what the function takes besides the",
    ),
    "jac=": (
        lambda: check_gradients(f, WEIGHTS, jac=f),
        "jac= is no option here: write gradient=, the function that computes the gradient",
    ),
    "batch=X": (
        lambda: check_gradients(f, WEIGHTS, batch=X),
        (
            "f(p, X, y) does not take (parameters, *batch) or (*batch) for a batch of 1 item(s): "
            "pass as batch= what it takes besides the parameters"
        ),
    ),
    "other keys": (
        lambda: check_gradients(f, WEIGHTS, batch={"X": X, "labels": Y}),
        "f(p, X, y) does not take (parameters, *batch) or (*batch) for a batch of the items X, l",
    ),
    "a batch too short, beside an object": (
        lambda: check_gradients(lambda X, y, rate: 1.0, Net(), batch=X),
        (
            "<lambda>(X, y, rate) does not take (parameters, *batch) or (*batch) for a batch of 1 "
            "item(s): pass as batch= what it takes"
        ),
    ),
    "each weight by itself": (
        lambda: check_gradients(lambda X, y, W, b: 1.0, {"W": X, "b": Y}, batch=(X, Y)),
        (
            "<lambda>(X, y, W, b) does not take (parameters, *batch) or (*batch) for a batch of 2 "
            "item(s): pass lambda p, X, y: <lambda>(X, y, p['W'], p['b'])"
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
    "a list of names": (lambda: check_gradients(f, ["W1", "b1"], batch=(X, Y)), ARRAYS),
    "a name": (lambda: check_gradients(f, "W1", batch=(X, Y)), ARRAYS),
    "the values of a dictionary": (
        lambda: check_gradients(f, WEIGHTS.values(), batch=(X, Y)),
        "the parameters are a dict_values, and every check reads them anew: write list(...)",
    ),
    "an iterator": (
        lambda: check_gradients(f, iter([1.0]), batch=(X, Y)),
        "the parameters are a list_iterator, and every check reads them anew: write list(...)",
    ),
    "a class": (
        lambda: check_gradients(f, Net, batch=(X, Y)),
        "the parameters are the class Net; pass an instance of it",
    ),
    "a call in place of the function": (
        lambda: check_gradients(f(WEIGHTS, X, Y), WEIGHTS, batch=(X, Y)),
        "a tuple of a loss and more is no function: pass the function, without calling it",
    ),
    "no parameters": (
        lambda: check_gradients(f, batch=(X, Y)),
        "the parameters to check are missing: pass parameters=, such as {'W': W",
    ),
    "two gradients": (
        lambda: check_gradients((f, f), WEIGHTS, batch=(X, Y), gradient=f),
        "a pair (loss, gradient) and gradient= are two gradients",
    ),
    "gradient= that returns the loss too": (
        lambda: check_gradients(lambda p, X, y: f(p, X, y)[0], WEIGHTS, gradient=f, batch=(X, Y)),
        "the gradients are a tuple of 2, the parameters are W: return a dictionary with the",
    ),
    "gradient= beside a model": (
        lambda: check_gradients(Tape(), WEIGHTS, gradient=f),
        "gradient= goes with a function that returns the loss, and a Tape was passed: leave it",
    ),
    "gradient= that is an array": (
        lambda: check_gradients(f, WEIGHTS, gradient=np.ones(3)),
        "gradient= takes the function that computes the gradient of a loss that is passed first",
    ),
    "both of two and gradient=": (
        lambda: check_gradients(f, WEIGHTS, batch=(X, Y), gradient=f),
        "the loss must be one real number; the function returned a tuple of 2",
    ),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_first_attempt_gets_one_sentence_that_says_what_to_write(attempt):
    act, said = ATTEMPTS[attempt]
    with pytest.raises((GradhookError, TypeError)) as caught:
        act()
    assert said in str(caught.value)
