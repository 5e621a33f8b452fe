"""Reading runs code of the user's, and nothing is left of it when a check has ended."""

import functools

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.errors import OptionError

X = np.random.default_rng(0).normal(size=(20, 2))


def square(p, X):
    residual = np.asarray(X) @ p["w"]
    return 0.5 * float(residual @ residual), {"w": np.asarray(X).T @ residual}


def global_stream():
    return repr(np.random.get_state(legacy=False))


class Model:
    """Weights that are made when they are first read, and a count of readings."""

    def __init__(self):
        self.readings = 0

    @property
    def params(self):
        self.readings += 1
        return self.made

    @functools.cached_property
    def made(self):
        return {"w": np.random.normal(size=2)}

    def loss(self, X):
        return square(self.made, X)


class DataSet:
    """Rows that are another at each look."""

    shape = X.shape

    def __init__(self):
        self.buffer, self.readings = np.zeros_like(X), 0

    def __getitem__(self, rows):
        self.readings += 1
        self.buffer[:] = np.random.normal(size=X.shape)
        return self.buffer[rows]


def by_subset():
    count = [0]

    def shuffled(batch, rows):
        count[0] += 1
        return (batch[0][np.random.permutation(rows)],)

    return {"objective": square, "parameters": {"w": np.ones(2)}, "subset": shuffled}, count


def by_function():
    count = [0]

    def parameters():
        count[0] += 1
        return {"w": np.random.normal(size=2)}

    return {"objective": square, "parameters": parameters}, count


def by_property():
    model = Model()
    return {"objective": model}, vars(model)


def by_data_set():
    data = DataSet()
    return {"objective": square, "parameters": {"w": np.ones(2)}, "batch": data}, vars(data)


WAYS = [by_subset, by_function, by_property, by_data_set]


@pytest.mark.parametrize("outcome", ["passes", "raises"])
@pytest.mark.parametrize("way", WAYS)
def test_what_reading_changes_is_put_back(way, outcome):
    given, state = way()

    def look():
        return repr(state), global_stream()

    before = look()
    if outcome == "passes":
        assert check_gradients(**{"batch": X, **given})
    else:
        with pytest.raises(OptionError, match="nowhere"):
            check_gradients(**{"batch": X, **given}, fixed=("nowhere",))
    assert look() == before


def test_rows_that_are_drawn_later_leave_nothing_either():
    def raises_on_few(p, X):
        if len(X) < 20:
            raise ValueError("too few")
        return square(p, X)

    calls = []

    def subset(batch, rows):
        calls.append(len(rows))
        np.random.rand()
        return (batch[0][rows],)

    before = global_stream()
    report = check_gradients(raises_on_few, {"w": np.ones(2)}, batch=X, subset=subset)
    assert report.rows is None
    assert calls == []
    assert global_stream() == before


def test_rows_in_a_buffer_that_is_used_again_stay_until_the_end():
    buffer = np.zeros((7, 2))

    def subset(batch, rows):
        buffer[:] = batch[0][rows]
        return (buffer,)

    def loss(p, X):
        assert X.all()
        return square(p, X)

    assert check_gradients(loss, {"w": np.ones(2)}, batch=X, subset=subset)
    assert not buffer.any()


def test_what_a_subset_reads_and_cannot_be_saved_is_named():
    rows_of = iter(range(1000))

    def subset(batch, rows):
        next(rows_of)
        return (batch[0][rows],)

    report = check_gradients(square, {"w": np.ones(2)}, batch=X, subset=subset)
    assert any("range_iterator 'rows_of'" in note for note in report.notes)
