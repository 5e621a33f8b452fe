"""Traced arrays behave as arrays and give the same numbers to the bit."""

import copy
import pickle
import threading

import numpy as np
import pytest

from gradhook.diagnosis.branches.recording import Traced, recording, traced

X = np.random.default_rng(5).normal(size=(4, 4))


@pytest.fixture(autouse=True)
def _recorded():
    with recording():
        yield


def bits(thing):
    """Everything that a value is, besides its class."""
    if isinstance(thing, (tuple, list)):
        return [bits(item) for item in thing]
    array = np.asarray(thing)
    return array.dtype, array.shape, array.tobytes()


OPERATIONS = [
    lambda x: x + 1,
    lambda x: 1 - x,
    lambda x: x @ x.T,
    lambda x: x.T.dot(x),
    lambda x: np.eye(4).dot(x),
    lambda x: np.dot(x, x[0]),
    lambda x: np.einsum("ij,kj->ik", x, x),
    lambda x: np.tensordot(x, x, axes=1),
    lambda x: np.linalg.inv(x),
    lambda x: np.linalg.solve(x, x[0]),
    lambda x: np.linalg.svd(x),
    lambda x: np.linalg.eigh(x @ x.T).eigenvalues,
    lambda x: np.linalg.norm(x),
    lambda x: np.fft.fft(x),
    lambda x: np.concatenate([x, x], axis=1),
    lambda x: np.stack((x, 2 * x)),
    lambda x: np.split(x, 2),
    lambda x: np.broadcast_arrays(x, x[0]),
    lambda x: np.pad(x, 1),
    lambda x: x.mean(axis=0),
    lambda x: x.var(axis=0, ddof=1),
    lambda x: x.std(),
    lambda x: x.sum(axis=1, keepdims=True),
    lambda x: np.cumsum(x),
    lambda x: np.log(np.sum(np.exp(x - x.max(axis=1, keepdims=True)))),
    lambda x: x[1:, ::2],
    lambda x: x[x > 0],
    lambda x: x[np.array([0, 2]), np.array([1, 1])],
    lambda x: x[..., None],
    lambda x: x.ravel()[3],
    lambda x: list(x[0]),
    lambda x: x.tolist(),
    lambda x: x.astype(np.float32),
    lambda x: x.astype(int),
    lambda x: (x > 0).astype(float),
    lambda x: (x > 0).any(),
    lambda x: x.reshape(2, 8).transpose(),
    lambda x: np.zeros_like(x),
    lambda x: np.asarray(x),
    lambda x: np.array(x),
    lambda x: np.apply_along_axis(np.sum, 0, x),
    lambda x: np.vectorize(abs)(x),
    lambda x: np.random.default_rng(0).permutation(x),
    lambda x: np.interp(x, [0.0, 1.0], [2.0, 3.0]),
    lambda x: np.divmod(x, 0.3),
    lambda x: np.frexp(x),
    lambda x: x[0, 0] ** 2 / (x[0, 1] - 3) + -x[0, 2] * abs(x[1, 1]),
    lambda x: 2 ** x[0, 0] - 1.5 * x[0, 0] + 1 / x[0, 0],
    lambda x: [x[0, 0] > 0, x[0, 0] == x[0, 0], x[0, 0] != 1, x[0, 0] >= 2, x[0, 0] <= 0.5],
    lambda x: x[0, 0] * x,
    lambda x: float(x[0, 0]) + np.float64(2) * x[1, 1],
    lambda x: np.add.outer(x[0], x[1]),
    lambda x: np.add.reduceat(x, [0, 2], axis=1),
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_gives_the_same_to_the_bit(operation):
    assert bits(operation(traced(X.copy()))) == bits(operation(X.copy()))


def in_place(x):
    x += 1
    x *= x
    x[x > 2] = 0
    x[0] = x[1]
    x[1, 2] -= 0.5
    np.add.at(x, ([0, 0], [1, 1]), 1.0)
    np.copyto(x, 7.0, where=x < 0)
    np.fill_diagonal(x, 3.0)
    np.put(x, [5], 2.5)
    np.putmask(x, x > 6, 6.0)
    np.clip(x, 0, 5, out=x)
    np.subtract(x, 0.25, out=x, where=x > 1)
    x.sort(axis=1)
    x.partition(2, axis=0)
    np.random.default_rng(1).shuffle(x)


def test_writing_in_place_writes_the_same_bits_to_the_memory_that_is_viewed():
    plain, viewed = X.copy(), X.copy()
    in_place(plain)
    in_place(traced(viewed))
    assert bits(viewed) == bits(plain)


def test_an_output_array_is_returned_itself():
    x, out = traced(X.copy()), np.empty_like(X)
    assert np.maximum(x, 0, out=out) is out
    assert np.dot(x, x, out=out) is out
    assert x.max(axis=0, out=out[0]).base is not None
    mine = x.copy()
    assert np.maximum(x, 0, out=mine) is mine
    assert np.atleast_1d(mine) is mine


def test_a_plain_array_that_is_added_to_stays_plain():
    total = np.zeros_like(X)
    total += traced(X)
    assert type(total) is np.ndarray


def test_only_plain_float_arrays_are_dressed_wherever_they_lie():
    given = {"a": [X, 3], "b": (np.arange(3), np.ma.array(X)), "c": "name", "d": None}
    dressed = traced(given)
    assert isinstance(dressed["a"][0], Traced)
    assert dressed["a"][1] == 3
    assert [type(item) for item in dressed["b"]] == [np.ndarray, np.ma.MaskedArray]
    assert np.shares_memory(dressed["a"][0], X)
    assert type(given["a"][0]) is np.ndarray


def test_pickles_are_plain_and_text_is_that_of_numbers():
    x = traced(X)
    assert type(pickle.loads(pickle.dumps(x))) is np.ndarray
    assert type(pickle.loads(pickle.dumps(x[0, 0]))) is np.float64
    assert str(x) == str(X)
    assert f"{x[0, 0]:.3f} {x[0, 0]}" == f"{X[0, 0]:.3f} {X[0, 0]}"
    assert bits(copy.deepcopy(x)) == bits(X)
    assert hash(x[0, 0]) == hash(X[0, 0])


def test_what_another_class_does_with_arrays_it_does_with_these():
    masked = np.ma.array(X, mask=X > 0)
    assert type(traced(X) + masked) is np.ma.MaskedArray

    class Stubborn:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "mine"

    assert traced(X) + Stubborn() == "mine"
    with pytest.raises(TypeError, match="does not support ufuncs"):
        np.add(traced(X), Stubborn())


def test_an_error_is_the_one_that_a_plain_array_raises():
    def failing(x, call):
        with pytest.raises((ValueError, IndexError, TypeError)) as caught:
            call(x)
        return type(caught.value), str(caught.value)

    for call in (
        lambda x: x @ np.ones(3),
        lambda x: np.max(x[:0]),
        lambda x: x[9],
        lambda x: np.maximum(x, "a"),
        lambda x: x.sort(axis=7),
        lambda x: x.argmax(nothing=1),
    ):
        assert failing(traced(X), call) == failing(X, call)


def test_outside_of_a_recording_a_traced_array_gives_plain_ones():
    x = traced(X)
    kept = {}

    def in_another_thread():
        kept.update(sum=x + 1, part=x[0], number=x[0, 0], largest=x.max(axis=0))

    thread = threading.Thread(target=in_another_thread)
    thread.start()
    thread.join()
    assert type(kept["sum"]) is np.ndarray
    assert type(kept["number"]) is np.float64
    assert type(kept["largest"]) is np.ndarray
    assert bits(kept["part"]) == bits(X[0])
