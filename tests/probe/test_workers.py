"""Exhaustive checks by several workers say what one worker says, to the bit."""

import functools
import math
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from gradhook import Objective, check_gradients
from gradhook.errors import OptionError


def batch():
    generator = np.random.default_rng(1)
    return generator.standard_normal((7, 6)), generator.integers(0, 3, 7)


def parameters():
    generator = np.random.default_rng(2)
    # More elements than a chunk holds, and a block that is no multiple of it.
    return {"W1": generator.standard_normal((6, 20)), "W2": generator.standard_normal((20, 3))}


def network(factor=1.0):
    """A network with dropout, whose masks come from a generator of its own."""
    masks = np.random.default_rng(3)

    def loss_and_gradients(p, X, y, dropout=0.3, l2=1e-2):
        z = X @ p["W1"]
        mask = (masks.random(z.shape) >= dropout) / (1 - dropout)
        h = np.tanh(z) * mask
        scores = h @ p["W2"]
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        d = np.exp(logs)
        d[np.arange(len(y)), y] -= 1
        d /= len(y)
        dz = (d @ p["W2"].T) * mask * (1 - np.tanh(z) ** 2)
        loss = -logs[np.arange(len(y)), y].mean() + l2 / 2 * sum(np.sum(w**2) for w in p.values())
        gradients = {"W1": factor * X.T @ dz + l2 * p["W1"], "W2": h.T @ d + l2 * p["W2"]}
        return loss, gradients

    return loss_and_gradients


def report(workers, *, factor=1.0):
    found = check_gradients(
        network(factor),
        parameters(),
        batch=batch(),
        effort="exhaustive",
        dropout="dropout",
        penalty="l2",
        workers=workers,
    )
    plain = found.to_dict()
    del plain["seconds"]
    return plain


@functools.cache
def alone(factor=1.0):
    """What one worker says; ``repr`` of a float is exact, and nan equals itself there."""
    return repr(report(1, factor=factor))


def test_two_processes_say_what_one_says_to_the_bit():
    together = report(2, factor=1.01)
    assert repr(together) == alone(1.01)
    assert together["verdict"] == "FAIL"


def test_a_map_and_executors_say_the_same():
    assert repr(report(map)) == alone()
    with ThreadPoolExecutor(1) as executor:
        assert repr(report(executor)) == alone()
        assert repr(report(executor.map)) == alone()


def test_a_pool_of_processes_says_the_same():
    with ProcessPoolExecutor(2) as executor:
        assert repr(report(executor.map)) == alone()


@pytest.mark.parametrize("part", [False, True])
def test_parameters_that_share_memory_still_do_so_elsewhere(part):
    def loss_and_gradients(p):
        loss = float(np.sum(np.sin(p["a"])) + np.sum(p["b"] ** 2))
        return loss, {"a": np.cos(p["a"]), "b": 2 * p["b"]}

    def found(workers):
        memory = np.linspace(0.1, 1.0, 12)
        tied = {"a": memory, "b": memory[::3] if part else memory}
        made = check_gradients(loss_and_gradients, tied, effort="exhaustive", workers=workers)
        return repr({**made.to_dict(), "seconds": 0})

    assert found(map) == found(1)


def test_a_map_that_gives_futures_is_waited_for():
    def futures(function, items):
        for item in items:
            future = Future()
            future.set_result(function(item))
            yield future

    assert repr(report(futures)) == alone()


class Client:
    """The part of a dask client that is used: data is scattered once, futures are mapped."""

    def __init__(self):
        self.scattered = 0

    def scatter(self, data, broadcast):
        assert broadcast
        self.scattered += 1
        return data

    def map(self, function, *columns, pure):
        assert not pure
        for row in zip(*columns, strict=True):
            future = Future()
            future.set_result(function(*row))
            yield future


def test_a_client_gets_the_closures_once_for_each_setting():
    client = Client()
    found = report(client)
    assert repr(found) == alone()
    assert client.scattered == len(found["settings"])


def test_random_streams_are_left_alone_by_workers_in_this_process():
    np.random.seed(5)
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    report(map)
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], before)


def test_what_workers_cannot_repeat_is_measured_here():
    """A worker without a loss of its own: the same report, and a warning that says why."""

    def only_here(function, items):
        for _ in items:
            yield None

    with pytest.warns(UserWarning, match="workers find another loss than this process"):
        elsewhere = report(only_here)
    assert repr(elsewhere) == alone()


def test_progress_counts_the_evaluations_of_workers():
    class Count:
        done = 0

        def start(self, total, description):
            pass

        def advance(self, n=1):
            self.done += n

        def close(self):
            pass

    count = Count()
    found = check_gradients(
        network(), parameters(), batch=batch(), effort="exhaustive", workers=map, progress=count
    )
    # One more is asked for each setting, to compare with the workers', and is not counted.
    assert count.done == found.evaluations + len(found.settings)


def test_an_interrupt_passes_and_leaves_everything_as_it_was():
    weights = parameters()
    before = {name: array.tobytes() for name, array in weights.items()}

    def interrupted(function, items):
        yield function(next(iter(items)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_gradients(network(), weights, batch=batch(), effort="exhaustive", workers=interrupted)
    assert {name: array.tobytes() for name, array in weights.items()} == before


def test_an_objective_in_place_refuses_workers():
    x = np.ones(3)
    objective = Objective(
        parameters=x,
        loss=lambda: math.fsum(x**2),
        gradients=lambda: 2 * x,
        form="in_place",
    )
    with pytest.raises(OptionError, match="workers= needs an objective that takes its parameters"):
        check_gradients(objective, effort="exhaustive", workers=2)


LOSSES = {
    "all": lambda results: [],
    "the first": lambda results: results[1:],
    "inside each": lambda results: [found[1:] for found in results],
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES.keys())
def test_a_map_that_loses_results_is_told_to_return_one_for_each(lose):
    def mapping(function, bundles):
        return lose([function(bundle) for bundle in bundles])

    with pytest.raises(OptionError, match="workers= gave fewer or more results"):
        check_gradients(
            network(), parameters(), batch=batch(), effort="exhaustive", workers=mapping
        )


@pytest.mark.parametrize("workers", [0, -2, 1.5, "two", True, None])
def test_workers_that_make_no_sense_are_refused(workers):
    with pytest.raises(OptionError, match="workers must be a number of processes"):
        check_gradients(network(), parameters(), batch=batch(), workers=workers)


def test_an_objective_that_cannot_travel_is_refused_in_words():
    lock, right = threading.Lock(), network()

    def locked(p, X, y):
        with lock:
            return right(p, X, y)

    with pytest.raises(OptionError, match="cannot be pickled"):
        check_gradients(locked, parameters(), batch=batch(), effort="exhaustive", workers=map)
