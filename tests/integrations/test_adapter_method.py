"""Any method as a hook, and the trainer of *Deep Learning from Scratch 2*."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from gradhook.errors import OptionError
from gradhook.integrations import from_scratch_2_trainer, method

X, Y = np.random.default_rng(0).normal(size=(24, 3)), np.random.default_rng(1).normal(size=24)


class Trainer:
    """Linear regression with an update method of its own."""

    def __init__(self, factor=2.0):
        self.params, self.factor = {"w": np.array([0.5, -1.0, 0.3])}, factor

    def loss_and_gradients(self, params, X, y):
        r = X @ params["w"] - y
        return float(r @ r) / len(y), {"w": self.factor * r @ X / len(y)}

    def update(self, X, y, *, rate=0.1):
        _, gradients = self.loss_and_gradients(self.params, X, y)
        self.params = {"w": self.params["w"] - rate * gradients["w"]}
        return "updated"

    def train(self, steps):
        for start in range(steps):
            rows = slice(8 * (start % 3), 8 * (start % 3) + 8)
            self.update(X[rows], y=Y[rows])
        return self.params["w"]


def attached(trainer, **keywords):
    given = {"schedule": 3, "on_fail": "record", "enabled": True} | keywords
    return method.attach(
        trainer, "update", trainer.loss_and_gradients, lambda: trainer.params, **given
    )


def test_a_check_is_made_before_the_first_call_and_after_scheduled_ones(verdicts):
    trainer = Trainer()
    check = attached(trainer)
    trainer.train(6)
    assert verdicts(check) == [(0, "PASS"), (3, "PASS"), (6, "PASS")]
    assert trainer.update(X, Y) == "updated"
    wrong = Trainer(factor=1.0)
    check = attached(wrong)
    wrong.train(1)
    assert verdicts(check) == [(0, "FAIL")]


def test_training_is_the_same_to_the_bit_and_a_disabled_check_wraps_nothing():
    plain, checked, disabled = Trainer(), Trainer(), Trainer()
    attached(checked)
    attached(disabled, enabled=False)
    assert "update" not in vars(disabled)
    assert plain.train(7).tobytes() == checked.train(7).tobytes() == disabled.train(7).tobytes()


@pytest.mark.parametrize(
    "batch",
    [None, ("X", "y"), ["X", "y"], lambda X, y, **_: (X, y), (X, Y)],
    ids=("default", "tuple", "list", "function", "data"),
)
def test_the_batch_is_taken_from_the_arguments_by_name_or_by_a_function(batch):
    trainer = Trainer()
    check = attached(trainer, batch=batch)
    trainer.train(3)
    assert check.last_report.passed
    whole = isinstance(batch, tuple) and batch[0] is X
    assert (max(check.last_report.rows) >= 8) is whole


def test_train_closes_the_sinks():
    trainer, sink = Trainer(), SimpleNamespace(closed=0, write=lambda report: None)

    def close():
        sink.closed += 1

    sink.close = close
    attached(trainer, train="train", sinks=[sink])
    trainer.train(1)
    assert sink.closed == 1


class SlottedTrainer:
    """As the other, without a dictionary of its own."""

    __slots__ = ("factor", "params")
    __init__, loss_and_gradients = Trainer.__init__, Trainer.loss_and_gradients
    update, train = Trainer.update, Trainer.train


@pytest.mark.parametrize("kind", [Trainer, SlottedTrainer])
@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))],
    ids=("copy", "deepcopy", "pickle"),
)
def test_a_copy_of_a_trainer_trains_itself_and_is_not_checked(kind, copied, verdicts):
    trainer, plain = kind(), kind()
    check = attached(trainer, train="train")
    twin = copied(trainer)
    before = trainer.params["w"].tobytes()
    assert twin.train(4).tobytes() == plain.train(4).tobytes()
    assert type(twin) is kind
    assert trainer.params["w"].tobytes() == before
    assert check.history == []
    trainer.train(3)
    assert verdicts(check) == [(0, "PASS"), (3, "PASS")]


def test_a_trainer_that_is_checked_is_of_the_class_it_was_and_takes_two_checks(verdicts):
    trainer = Trainer()
    checks = [attached(trainer), attached(trainer, schedule=2)]
    assert trainer.__class__ is Trainer
    assert isinstance(trainer, Trainer)
    assert repr(trainer).startswith(repr(Trainer())[:30])
    trainer.train(2)
    assert [verdicts(check) for check in checks] == [[(0, "PASS")], [(0, "PASS"), (2, "PASS")]]
    twin = copy.deepcopy(trainer)
    twin.train(5)
    assert len(checks[0].history) == 1


def test_a_method_that_an_object_holds_is_copied_as_it_was():
    trainer = Trainer()
    trainer.step = trainer.update  # one of several that a trainer chooses among
    check = method.attach(
        trainer, "step", trainer.loss_and_gradients, lambda: trainer.params, enabled=True
    )
    twin = pickle.loads(pickle.dumps(copy.deepcopy(trainer)))
    twin.step(X, Y)
    assert not np.array_equal(twin.params["w"], trainer.params["w"])
    assert check.history == []
    trainer.step(X, Y)
    assert len(check.history) == 1


def test_an_object_written_in_c_is_refused_with_what_to_write():
    with pytest.raises(OptionError, match=r"append of a list cannot .* call check\.on_step_end\("):
        method.attach([], "append", lambda x: (x @ x, 2 * x), X, batch=(), enabled=True)


def test_what_is_not_there_is_refused_with_what_is():
    trainer = Trainer()
    with pytest.raises(OptionError, match=r"the Trainer has no method 'step'; it has loss"):
        method.attach(trainer, "step", trainer.loss_and_gradients, trainer.params)
    with pytest.raises(OptionError, match=r"update\(X, y, \*, rate=0\.1\) has no argument t: name"):
        attached(trainer, batch=("X", "t"))
    optimiser = SimpleNamespace(update=lambda params, grads: None)
    with pytest.raises(OptionError, match=r"has no argument X, y: name those that are the batch"):
        method.attach(optimiser, "update", trainer.loss_and_gradients, trainer.params)


# Deep Learning from Scratch 2.


class Affine:
    def __init__(self, W, b):
        self.params, self.grads = [W, b], [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return x @ W + b

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        return dout @ self.params[0].T


class Sigmoid:
    def __init__(self):
        self.params, self.grads = [], []

    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


class Dropout:
    def __init__(self, dropout_ratio=0.3):
        self.params, self.grads, self.dropout_ratio = [], [], dropout_ratio

    def forward(self, x):
        self.mask = np.random.rand(*x.shape) > self.dropout_ratio
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class SoftmaxWithLoss:
    def __init__(self):
        self.params, self.grads = [], []
        self.y, self.t = None, None

    def forward(self, x, t):
        self.t = t.argmax(axis=1) if t.ndim == 2 else t
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return -np.sum(np.log(self.y[np.arange(len(x)), self.t] + 1e-7)) / len(x)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx / len(dx)


class TwoLayerNet:
    """The book's manner: ``params`` and ``grads`` put together from those of the layers."""

    def __init__(self, *, tied=False, dtype=float):
        rng = np.random.default_rng(2)
        W = rng.normal(0, 0.5, (3, 3)).astype(dtype)
        second = W.T if tied else rng.normal(0, 0.5, (3, 3)).astype(dtype)
        self.layers = [
            Affine(W, np.zeros(3, dtype)), Sigmoid(), Dropout(), Affine(second, np.zeros(3, dtype)),
        ]  # fmt: skip
        self.loss_layer = SoftmaxWithLoss()
        self.params, self.grads = [], []
        for layer in self.layers:
            self.params += layer.params
            self.grads += layer.grads

    def forward(self, x, t):
        for layer in self.layers:
            x = layer.forward(x)
        return self.loss_layer.forward(x, t)

    def backward(self, dout=1):
        dout = self.loss_layer.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)


class SGD:
    def update(self, params, grads):
        for param, grad in zip(params, grads, strict=True):
            param -= 0.1 * grad


class BookTrainer:
    def __init__(self, model, optimizer):
        self.model, self.optimizer = model, optimizer

    def fit(self, x, t, max_epoch=2, batch_size=8):
        for _ in range(max_epoch):
            for start in range(0, len(x), batch_size):
                rows = slice(start, start + batch_size)
                self.model.forward(x[rows], t[rows])
                self.model.backward()
                self.optimizer.update(*remove_duplicate(self.model.params, self.model.grads))


def remove_duplicate(params, grads):
    """As the book's: the gradients of weights that are shared are added."""
    params, grads = params[:], grads[:]
    for i in range(len(params)):
        for j in range(len(params) - 1, i, -1):
            if params[i].ndim == 2 and np.shares_memory(params[i], params[j]):
                grads[i] = grads[i] + grads[j].T
                del params[j], grads[j]
    return params, grads


LABELS = np.random.default_rng(3).integers(0, 3, 24)


@pytest.mark.parametrize("tied", [False, True])
def test_the_second_books_trainer_is_checked_and_trains_on_to_the_bit(tied, verdicts):
    left = []
    for enabled in (False, True):
        np.random.seed(0)
        model = TwoLayerNet(tied=tied)
        trainer = BookTrainer(model, SGD())
        check = from_scratch_2_trainer.attach(trainer, schedule=3, enabled=enabled)
        trainer.fit(X, LABELS)
        left.append([p.tobytes() for p in model.params] + [np.random.rand()])
    assert left[0] == left[1]
    assert verdicts(check) == [(0, "PASS"), (3, "PASS"), (6, "PASS")]
    assert len(check.last_report.blocks) == (3 if tied else 4)
    assert any("checked as -log(y)" in note for note in check.last_report.notes)


def test_a_copy_of_the_second_books_trainer_trains_its_own_model():
    trainer = BookTrainer(TwoLayerNet(), SGD())
    check = from_scratch_2_trainer.attach(trainer, enabled=True)
    before = [p.tobytes() for p in trainer.model.params]
    twin = pickle.loads(pickle.dumps(copy.deepcopy(trainer)))
    twin.fit(X, LABELS)
    assert [p.tobytes() for p in trainer.model.params] == before
    assert [p.tobytes() for p in twin.model.params] != before
    assert check.history == []


def test_a_bug_in_a_layer_of_the_second_book_is_found_in_its_block():
    model = TwoLayerNet()
    first = model.layers[0]
    right = first.backward

    def forgets(dout):
        right(dout)
        first.grads[1][...] = dout.mean(axis=0)

    first.backward = forgets
    check = from_scratch_2_trainer.attach(
        trainer := BookTrainer(model, SGD()), on_fail="record", enabled=True
    )
    trainer.fit(X, LABELS, max_epoch=1)
    assert check.last_report.failing == ("params[1]",)


def test_a_disabled_check_leaves_the_trainer_as_it_is():
    trainer = BookTrainer(TwoLayerNet(), SGD())
    before = [dict(vars(thing)) for thing in (trainer, trainer.optimizer, trainer.model)]
    from_scratch_2_trainer.attach(trainer, enabled=False)
    assert [dict(vars(t)) for t in (trainer, trainer.optimizer, trainer.model)] == before
    assert copy.deepcopy(trainer)
