"""Rows of a batch: which arrays are cut, which rows are drawn, what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook import check_gradients
from gradhook.errors import BatchError
from gradhook.objective.batch import as_batch, columns_hint, draw, passed_whole, sample_count


def drawn(batch, samples=7, axis=0, subset=None, seed=0):
    random = np.random.default_rng(seed)
    return draw(batch, samples=samples, axis=axis, subset=subset, random=random)


def numbered(*shape, axis=0):
    """An array whose entries say which sample they are of."""
    order = np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return np.broadcast_to(order, shape).astype(float)


@given(
    st.integers(1, 40),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["none", "integer", "one-hot"]),
)
def test_distinct_rows_are_drawn_in_order_and_every_array_is_cut_to_the_same(
    count, samples, seed, labels
):
    classes = np.arange(count) % 3
    batch = (numbered(count, 4), {"y": numbered(count)}, [numbered(count, 2, 2)])
    batch += ({"none": 1.0, "integer": classes, "one-hot": np.eye(3)[classes]}[labels],)
    found = drawn(batch, samples, seed=seed)
    rows = np.arange(count) if found.rows is None else np.array(found.rows)
    assert len(rows) == found.count == min(samples, count)
    assert (np.diff(rows) > 0).all()
    assert (rows < count).all()
    x, y, (z,), _ = found.batch
    for array in (x[:, 0], y["y"], z[:, 0, 0]):
        np.testing.assert_array_equal(array, rows)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 10))
def test_classes_are_mixed_as_evenly_as_can_be(seed, classes, samples):
    labels = np.sort(np.arange(60) % classes)
    for given_labels in (labels, labels[:, None], np.eye(classes)[labels]):
        found = drawn((numbered(60, 4), given_labels), samples, seed=seed)
        times = np.bincount(labels[list(found.rows)], minlength=classes)
        assert times.max() - times.min() <= 1


def test_other_seeds_draw_other_rows_and_the_global_stream_is_left_alone():
    before = np.random.get_state()[1].copy()
    assert len({drawn((numbered(50),), seed=seed).rows for seed in range(20)}) == 20
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("axis", [1, -1])
def test_samples_may_be_columns_and_labels_lie_either_way(axis):
    x, row, flat = numbered(4, 30, axis=1), numbered(1, 30, axis=1), np.arange(30.0)
    one_hot = np.eye(3)[np.arange(30) % 3].T
    found = drawn((x, row, flat, one_hot), axis=axis)
    rows = list(found.rows)
    for array in (found.batch[0][2], found.batch[1][0], found.batch[2]):
        np.testing.assert_array_equal(array, rows)
    np.testing.assert_array_equal(found.batch[3], one_hot[:, rows])
    assert found.unchanged == ()


def test_the_first_array_counts_and_what_has_another_length_passes_unchanged():
    items = (np.float64(0.1), numbered(20, 3), np.ones((5, 20)), "mode", None, [1] * 20)
    found = drawn(items)
    assert found.unchanged == (0, 2, 3, 4, 5)
    for position in found.unchanged:
        assert found.batch[position] is items[position]
    assert found.batch[1].shape == (7, 3)


def test_what_passed_unchanged_is_said():
    batch = (numbered(20, 3), 0.1, [1])
    assert passed_whole(drawn(batch), batch) == (
        "item 1 (a float), item 2 (a list) of the batch passed unchanged, as no array whose axis "
        "counts the samples"
    )
    assert passed_whole(drawn(batch, samples=None), batch) == ""
    assert passed_whole(drawn(batch[:1]), batch[:1]) == ""


def test_a_container_keeps_its_form_and_what_needs_no_cut_keeps_its_identity():
    config = {"depth": [3, 4]}
    pair = (numbered(20), [numbered(20, 2), 5])
    found = drawn((numbered(20, 3), config, pair))
    assert found.batch[1] is config
    assert type(found.batch[2]) is tuple
    assert type(found.batch[2][1]) is list
    assert found.batch[2][1][0].shape == (7, 2)
    assert found.unchanged == (1,)


def test_a_function_may_cut_a_batch_that_holds_no_array():
    found = drawn(
        ("abcdefghij",), samples=3, subset=lambda batch, rows: [batch[0][i] for i in rows]
    )
    assert found.batch == ("a", "b", "c")
    assert (found.rows, found.count) == ((0, 1, 2), 3)
    whole = drawn(("abc",), samples=None, subset=lambda batch, rows: None)
    assert whole.batch == ("abc",)


def test_memory_mapped_sparse_and_framed_data_are_cut(tmp_path):
    on_disk = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", shape=(20, 3))
    on_disk[:] = numbered(20, 3)
    sparse = pytest.importorskip("scipy.sparse").csr_array(numbered(20, 3))
    found = drawn((on_disk, sparse))
    np.testing.assert_array_equal(found.batch[0][:, 0], found.rows)
    np.testing.assert_array_equal(found.batch[1].toarray()[:, 0], found.rows)


class Frame:
    """As much of a data frame as matters: brackets name columns, ``iloc`` takes rows."""

    shape = (20, 2)

    def __init__(self):
        self.iloc = np.arange(20.0)[:, None] * np.ones(2)

    def __getitem__(self, key):
        raise KeyError(key)


def test_data_frames_are_cut_by_position():
    found = drawn((Frame(),))
    np.testing.assert_array_equal(found.batch[0][:, 0], found.rows)


@pytest.mark.parametrize(
    ("batch", "expected"),
    [((1, 2), (1, 2)), ([1, 2], (1, 2)), (3, (3,)), ({"x": 1}, {"x": 1}), ((), ())],
)
def test_a_tuple_or_list_is_a_batch_and_a_mapping_stays_and_anything_else_is_its_only_item(
    batch, expected
):
    assert as_batch(batch) == expected


@pytest.mark.parametrize(
    ("batch", "axis", "said"),
    [
        ((np.ones((0, 3)), np.ones(0)), 0, "the batch is empty: its first array has shape (0, 3)"),
        ((np.ones((3, 0)),), 1, "no sample along axis 1"),
        (({"x": np.ones((0, 3))},), 0, "the batch is empty"),
        (
            (np.ones((5, 3)), np.ones(5)),
            2,
            "no array of the batch has an axis 2 (shapes (5, 3), (5,))",
        ),
        ((np.ones(5),), -2, "pass sample_axis= as the axis that counts samples"),
    ],
)
def test_a_batch_without_samples_is_refused(batch, axis, said):
    with pytest.raises(BatchError) as caught:
        drawn(batch, axis=axis)
    assert said in str(caught.value)


class Loader:
    """An iterator whose state can be read, and so is put back."""

    def __init__(self):
        self.drawn = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.drawn += 1
        return np.ones((4, 2)), np.ones(4)


def test_an_iterator_that_a_check_would_use_up_is_refused_with_what_to_pass():
    for batch, said in [
        ((n for n in "ab"), "the batch is a generator, which a check would use up: pass what"),
        ((iter([1]), 2.0), "the batch holds a list_iterator"),
        ({"pairs": zip([1], [2], strict=True)}, r"batch=\(X, y\), or list\(...\) of it"),
    ]:
        with pytest.raises(BatchError, match=said):
            as_batch(batch)
    loader = Loader()
    report = check_gradients(
        lambda p, batches: line(p, *next(batches)), {"w": np.zeros(2)}, batch=loader
    )
    assert report.passed
    assert loader.drawn == 0


def line(parameters, x, y, scale=1.0):
    error = x @ parameters["w"] - y
    return 0.5 * scale * np.mean(error**2), {"w": scale * x.T @ error / len(y)}


def test_the_report_says_which_rows_were_checked_and_what_passed_unchanged():
    random = np.random.default_rng(0)
    batch = (random.standard_normal((30, 4)), random.standard_normal(30), 2.0)
    report = check_gradients(line, {"w": np.ones(4)}, batch=batch)
    assert len(report.rows) == 7
    assert any(note.startswith("item 2 (a float) of the batch passed") for note in report.notes)
    whole = check_gradients(line, {"w": np.ones(4)}, batch=batch, samples=None)
    assert whole.rows is None
    assert whole.notes == ()


@pytest.mark.parametrize("seed", range(5))
def test_a_float_column_of_few_values_holds_classes(seed):
    X, y = (
        np.random.default_rng(seed).normal(size=(300, 2)),
        np.repeat([0.0, 1.0, 2.0], [280, 10, 10]),
    )
    _, counts = np.unique(y[list(drawn((X, y), seed=seed).rows)], return_counts=True)
    assert sorted(counts) == [2, 2, 3]


@pytest.mark.parametrize("shape", [(300,), (300, 1), (300, 4)])
def test_rows_of_weight_zero_take_turns_with_those_that_count(shape):
    weights = np.random.default_rng(0).uniform(0.5, 1.5, shape)
    if shape == (300, 4):  # a mask of sequences
        weights = np.ones(shape)
    weights[30:] = 0
    rows = drawn((np.ones((300, 2)), weights)).rows
    assert sum(row < 30 for row in rows) in (3, 4)


@pytest.mark.parametrize("form", ["coo", "csr", "csc", "bsr", "dia", "lil"])
@pytest.mark.parametrize("kind", ["matrix", "array"])
def test_rows_are_taken_from_sparse_matrices_of_every_format(form, kind):
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.arange(24.0).reshape(8, 3) % 5
    made = getattr(sparse, f"{form}_{kind}")(dense)
    w, y = np.array([0.1, -0.2, 0.3]), np.ones(8)

    def least_squares(w, X, y):
        assert X.format == form
        r = X @ w - y
        return float(r @ r), 2 * (X.T @ r)

    report = check_gradients(least_squares, w, batch=(made, y), samples=5, progress=False)
    assert report.passed
    assert len(report.rows) == 5


def test_a_list_of_pairs_holds_a_sample_in_each():
    pairs = [(np.full((4, 1), k), np.eye(3)[:, [k % 3]]) for k in range(30)]
    rows = drawn((pairs, np.ones(5)))
    assert (rows.count, rows.total) == (7, 30)
    assert [int(x[0, 0]) for x, _ in rows.batch[0]] == list(rows.rows)
    assert rows.unchanged == (1,)
    whole = drawn((pairs,), samples=None)
    assert whole.batch[0] is pairs
    # States beside inputs have the inputs' rows.
    states = [(np.ones((40, 3)), np.ones((40, 3))) for _ in range(2)]
    rows = drawn((np.ones((40, 5)), states))
    assert (rows.total, rows.batch[1][1][0].shape, rows.unchanged) == (40, (7, 3), ())
    # Lists of arrays, as of time steps, and of numbers go by the arrays' own rows.
    assert sample_count(([np.ones((5, 2)), np.ones((5, 2))],), 0) == 5
    assert sample_count(([(1, 2), (3, 4)], np.ones(6)), 0) == 6


@pytest.mark.parametrize("hidden", [(8, 1), (1, 8), (8,)])
def test_a_hidden_state_beside_lists_of_inputs_and_targets_holds_no_rows(hidden):
    inputs, targets, state = list(range(9)), list(range(9)), np.zeros(hidden)
    for batch in [(inputs, targets, state), (state, inputs, targets)]:
        found = drawn(batch, samples=3)
        assert found.batch is batch
        assert (found.rows, found.count, found.total) == (None, None, None)
    # What else agrees on rows, or counts as many as the lists, has them.
    assert sample_count(([64, 10], ["relu", "tanh"], np.zeros((5, 3)), np.zeros(5)), 0) == 5
    assert sample_count((inputs, targets, np.zeros((9, 2))), 0) == 9
    assert sample_count((np.zeros((5, 3)), [64, 10]), 0) == 5


def test_what_cannot_be_cut_is_told_how_to_say_so():
    def loss(W, inputs, targets, state):
        out = W @ state
        return np.sum(out**2), 2 * out @ state.T

    batch = (list(range(8)), list(range(8)), np.ones((8, 1)))  # as many units as inputs
    report = check_gradients(loss, np.eye(8), batch=batch)
    assert report.passed
    assert report.notes[-1].endswith("counts the samples. If none does, write samples=None")


def test_columns_that_look_like_samples_are_pointed_out():
    x, y = np.ones((5, 30)), np.ones((1, 30))
    assert columns_hint((x, y), 0) == "; are the columns samples? Then pass sample_axis=1"
    assert columns_hint((x, y), 1) == columns_hint((x.T, y.T), 0) == ""
