"""The guard: what is put back when, and what it says where it cannot."""

import random
import re

import numpy as np
import pytest

from gradhook.errors import RestoreError
from gradhook.guard.guard import SMALL_ARRAY, Changes, Guard, put_back


class Model:
    def __init__(self):
        self.rng = np.random.default_rng(1)
        self.mean = np.zeros(2)
        self.moments = np.zeros(4)
        self.cache = None


def position(rng):
    return rng.bit_generator.state["state"]["state"]


def test_changes_come_back_the_last_first_and_what_did_not_change_is_let_go():
    model, other = Model(), Model()
    changes = Changes(model, [other])
    for number in (1, 2):
        with changes.noted():
            model.mean[:] = number
            np.random.rand()
    kept = [record.thing for piece in changes._pieces for record in piece]
    assert [thing is model.mean for thing in kept].count(True) == 2
    assert not any(thing is other.mean or thing is model.moments for thing in kept)
    drawn = np.random.rand()
    for _ in range(2):
        changes.restore()
        assert model.mean.tolist() == [0, 0]
    first = [np.random.rand() for _ in range(3)]
    assert first[2] == drawn


def test_changes_of_what_raises_come_back_too_and_what_is_hidden_is_named():
    model = Model()
    model.rows = iter([1, 2])
    changes = Changes(model)

    def late():
        model.new = 1
        raise ValueError("late")

    with pytest.raises(ValueError, match="late"), changes.noted():
        late()
    changes.restore()
    assert not hasattr(model, "new")
    assert changes.hidden == ["list_iterator 'rows'"]
    assert "cannot be read: list_iterator 'rows'; what" in Guard([], hidden=changes.hidden).notes[0]


def test_everything_comes_back_and_restoring_twice_does_no_harm():
    model = Model()
    before = position(model.rng)
    guard = Guard([model])
    drawn = np.random.rand(), random.random(), model.rng.random()
    model.mean[:] = 1
    model.mean, model.new = np.ones(2), 1
    for _ in range(2):
        guard.restore()
        assert position(model.rng) == before
        assert model.mean.tolist() == [0, 0]
        assert not hasattr(model, "new")
    assert (np.random.rand(), random.random(), model.rng.random()) == drawn
    guard.restore()


def test_only_what_the_first_evaluations_changed_is_put_back_before_later_ones():
    model = Model()
    guard = Guard([model])
    guard.rewind()
    model.mean[:] = 1
    guard.rewind()
    assert model.mean.tolist() == [0, 0]
    guard.learn_volatile()
    model.mean[:] = 2
    model.moments[:] = 3  # Nothing that an evaluation did before.
    guard.rewind()
    assert model.mean.tolist() == [0, 0]
    assert model.moments.tolist() == [3, 3, 3, 3]
    guard.restore()
    assert model.moments.tolist() == [0, 0, 0, 0]


def test_generators_that_are_drawn_from_later_are_noticed_where_the_switches_change():
    model = Model()
    guard = Guard([model])
    before = position(model.rng)
    guard.rewind()
    guard.learn_volatile()
    guard.watch()
    guard.rewind()
    model.rng.random()
    guard.rewind_generators()  # Between a loss and its gradients.
    assert position(model.rng) == before
    model.rng.random()
    guard.rewind()
    assert position(model.rng) == before
    for _ in range(5):
        model.rng.random()
        guard.rewind()
        assert position(model.rng) == before


def test_large_arrays_are_not_compared_again_where_the_switches_change():
    model = Model()
    model.moments = np.zeros(SMALL_ARRAY // 8 + 1)
    guard = Guard([model])
    guard.rewind()
    guard.learn_volatile()
    guard.watch()
    guard.rewind()
    model.moments[0] = model.mean[0] = 1
    guard.rewind()
    assert model.mean[0] == 0
    assert model.moments[0] == 1
    guard.restore()
    assert model.moments[0] == 0


@pytest.mark.parametrize(
    "draw",
    [lambda _: np.random.rand(), lambda _: random.random(), lambda model: model.rng.random()],
    ids=["NumPy's", "Python's", "its own"],
)
def test_a_generator_that_moved_is_noticed(draw):
    model = Model()
    guard = Guard([model])
    assert not guard.any_generator_moved()
    draw(model)
    assert guard.any_generator_moved()
    guard.restore()
    assert not guard.any_generator_moved()


def test_what_cannot_be_put_back_is_an_error_and_the_rest_is_put_back():
    model = Model()
    large = np.zeros(1000)
    guard = Guard([large, model], budget=100)
    large[5] = 1
    model.mean[:] = 1
    with pytest.raises(RestoreError, match=re.escape("shape (1000,)")) as raised:
        guard.restore()
    assert str(raised.value) == (
        "the objective changed what the check could not put back: an array of shape (1000,) and "
        "dtype float64 (0 MiB, too large to be copied unasked: pass it as state=). Go on from a "
        "checkpoint, and let loss and gradients leave these alone"
    )
    assert model.mean.tolist() == [0, 0]


def test_the_notes_say_what_was_not_saved():
    guard = Guard([{"batches": iter([1]), "data": np.zeros(1000)}], budget=100)
    hidden, watched = guard.notes
    assert hidden == (
        "not saved, because its state cannot be read: list_iterator 'batches'; what an evaluation "
        "changes there stays changed"
    )
    assert watched == (
        "compared but not saved: an array of shape (1000,) and dtype float64 (0 MiB, too large to "
        "be copied unasked: pass it as state=)"
    )
    assert Guard([Model()]).notes == []


def test_a_state_behind_properties_alone_is_said_not_to_be_saved():
    """As that of a compiled class: its fields lie in memory that Python does not see."""
    outside = {"n": 0.0}

    class Counter:
        __slots__ = ()
        n = property(lambda _: outside["n"], lambda _, n: outside.update(n=n))

    (hidden,) = Guard([{"counter": Counter()}]).notes
    assert "Counter 'counter'" in hidden


@pytest.mark.parametrize("module", ["numba.core.dispatcher", "llvmlite.binding"])
def test_a_compiler_behind_a_function_is_not_entered(module):
    compiled = type("Compiled", (), {"__module__": module})()
    compiled.pending = iter([1])
    assert Guard([{"f": compiled}]).notes == []


def test_the_notes_stay_short():
    guard = Guard([{str(i): iter([1]) for i in range(100)}])
    assert "'4' and 95 more; what" in guard.notes[0]


def test_putting_back_goes_on_after_a_failure():
    done = []

    def fail():
        raise KeyError("gone")

    with pytest.raises(RestoreError, match=r"put everything back \(KeyError: 'gone'\)") as raised:
        put_back(lambda: done.append(1), fail, lambda: done.append(2))
    assert done == [1, 2]
    assert isinstance(raised.value.__cause__, KeyError)


def test_several_failures_are_all_told():
    def fail():
        raise KeyError("gone")

    def refuse():
        raise RestoreError("parameter 'W'")

    with pytest.raises(RestoreError, match=r"^parameter 'W'") as raised:
        put_back(fail, refuse)
    assert raised.value.__notes__ == ["KeyError: 'gone'"]


def test_an_interrupt_thrown_into_putting_back_starts_it_all_over():
    """Nothing of ours lets one in, but other threads can throw exceptions into this one."""
    done = []

    def interrupted():
        done.append("first")
        if len(done) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put_back(interrupted, lambda: done.append("second"))
    assert done == ["first", "first", "second"]
