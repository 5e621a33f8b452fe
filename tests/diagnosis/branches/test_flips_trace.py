"""Every operation that chooses: which elements flip between two sides of a step, counted exactly.

The step is 1e-3 on both sides.  An element flips if what decides its branch lies within that of
its threshold, so the numbers below can be counted by eye.
"""

import numpy as np
import pytest

from gradhook.diagnosis.branches.recording import traced
from gradhook.diagnosis.branches.trace import trace

H = 1e-3

Z = np.array([[-1.0, 0.0, 5e-4, 2.0], [-5e-4, 0.5, -0.3, 0.0]])
"""Four of eight elements lie within a step of zero."""

NEAR = np.array([[1.0, 1.0005, -2.0], [4.0, 0.0, 3.0], [0.7, -0.2, 0.6995]])
"""The first two largest of rows 0 and 2 change places when the first column moves by a step."""

FIRST = np.array([1.0, 0.0, 0.0])
"""Moves the first column alone."""


def branches(function, x, direction=1.0, step=H):
    slope, found, _ = trace(lambda t: function(traced(x + t * direction)), step)
    assert np.isfinite(slope)
    return [(branch.operation, branch.flips, branch.size) for branch in found]


def total(values):
    return float(np.sum(values))


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda z: np.maximum(0, z), "maximum"),
        (lambda z: np.minimum(z, 0), "minimum"),
        (lambda z: np.fmax(z, 0.0), "fmax"),
        (lambda z: np.fmin(0.0, z), "fmin"),
        (lambda z: np.abs(z), "absolute"),
        (lambda z: abs(z), "absolute"),
        (lambda z: np.absolute(z), "absolute"),
        (lambda z: np.fabs(z), "fabs"),
        (lambda z: np.sign(z), "sign"),
        (lambda z: z * (z > 0), "greater"),
        (lambda z: z * (z < 0), "less"),
        (lambda z: z * (z >= 0), "greater_equal"),
        (lambda z: z * (z <= 0), "less_equal"),
        (lambda z: z * np.greater(z, 0), "greater"),
        (lambda z: np.where(z > 0, z, 0.01 * z), "greater"),
        (lambda z: np.clip(z, 0, 1), "clip"),
        (lambda z: np.clip(z, a_min=0, a_max=None), "clip"),
        (lambda z: z.clip(min=0), "clip"),
        (lambda z: z.clip(0, 1), "clip"),
        (lambda z: np.maximum(z, 0, out=z), "maximum"),
        (lambda z: np.max(np.stack([z, 0 * z]), axis=0), "max"),
    ],
)
def test_elements_within_a_step_of_zero_flip(function, operation):
    assert branches(lambda z: total(function(z)), Z) == [(operation, 4, 8)]


def test_a_mask_that_writes_zeros_is_seen_through_its_comparison():
    def relu(z):
        z = z.copy()
        z[z < 0] = 0
        return total(z)

    assert branches(relu, Z) == [("less", 4, 8)]


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: np.max(x, axis=1), "max"),
        (lambda x: np.amax(x, axis=1), "amax"),
        (lambda x: x.max(axis=1), "max"),
        (lambda x: x.max(1, keepdims=True), "max"),
        (lambda x: np.maximum.reduce(x, axis=1), "maximum.reduce"),
        (lambda x: np.maximum.reduce(x.T), "maximum.reduce"),
        (lambda x: np.min(-x, axis=1), "min"),
        (lambda x: np.amin(-x, axis=1), "amin"),
        (lambda x: (-x).min(axis=1), "min"),
        (lambda x: np.minimum.reduce(-x, axis=1), "minimum.reduce"),
        (lambda x: np.argmax(x, axis=1), "argmax"),
        (lambda x: x.argmax(axis=1), "argmax"),
        (lambda x: np.argmin(-x, axis=1), "argmin"),
        (lambda x: (-x).argmin(-1), "argmin"),
        (lambda x: x.reshape(3, 1, 3).max(axis=(1, 2)), "max"),
    ],
)
def test_of_three_winners_two_change(function, operation):
    assert branches(lambda x: total(function(x)), NEAR, FIRST) == [(operation, 2, 3)]


@pytest.mark.parametrize("function", [np.max, np.argmax, lambda x: x.max()])
def test_a_winner_over_all_axes_is_one_choice(function):
    x = np.array([[1.0, 1.0005], [0.0, 0.5]])
    ((_, flips, size),) = branches(lambda x: float(function(x)), x, np.array([1.0, 0.0]))
    assert (flips, size) == (1, 1)


def test_a_maximum_with_an_initial_value_can_be_won_by_it():
    def loss(z):
        return total(np.max(z.reshape(-1, 1), axis=1, initial=0.0))

    assert branches(loss, Z) == [("max", 4, 8)]


def test_a_maximum_over_some_entries_is_won_among_them():
    mask = np.array([True, False, True])
    assert branches(lambda x: total(np.max(x, 1, where=mask, initial=-9)), NEAR, FIRST) == [
        ("max", 1, 3)  # without the middle column only row 2 is close
    ]


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: np.sort(x, axis=1)[:, -1], "sort"),
        (lambda x: np.sort(x)[:, -1], "sort"),
        (lambda x: np.argsort(x, axis=1)[:, -1], "argsort"),
        (lambda x: x.argsort()[:, -1], "argsort"),
    ],
)
def test_two_entries_of_two_rows_change_places(function, operation):
    assert branches(lambda x: total(function(x)), NEAR, FIRST) == [(operation, 4, 9)]


def test_sorting_in_place_is_seen():
    def loss(x):
        x = x.copy()
        x.sort()
        return total(x[:, -1])

    assert branches(loss, NEAR, FIRST) == [("sort", 4, 9)]


def test_the_old_and_the_new_median_flip():
    x = np.array([3.0, 1.0, 1.0005, -2.0, 7.0])
    x[0] = 0.0  # order: -2, 0, 1, 1.0005, 7
    direction = np.array([0.0, 1.0, 0.0, 0.0, 0.0])
    assert branches(lambda x: total(np.median(x)), x, direction) == [("median", 2, 5)]


def test_a_tie_on_both_sides_is_no_flip_and_on_one_side_it_is():
    ties = np.zeros(3)
    assert branches(lambda z: total(np.maximum(0, z)), ties, direction=0.0) == []
    assert branches(lambda z: total(np.maximum(0, z - H)), ties) == [("maximum", 3, 3)]


def test_overlapping_windows_of_a_pool_are_choices_of_their_own():
    image = np.arange(16.0).reshape(4, 4)
    image[1, 1] = image[1, 2] = 50.0  # both in the middle window, one each in those beside it

    def pool(image):
        windows = np.lib.stride_tricks.sliding_window_view(image, (2, 2))
        return total(windows.max(axis=(2, 3)))

    direction = np.zeros((4, 4))
    direction[1, 1] = 1.0
    # The windows that hold both are the middle one of the first row and of the second.
    assert branches(pool, image, direction) == [("max", 2, 9)]

    def by_sorting(image):
        windows = np.lib.stride_tricks.sliding_window_view(image, (2, 2)).reshape(9, 4)
        return total(np.sort(windows, axis=1)[:, -1])

    assert branches(by_sorting, image, direction) == [("sort", 4, 36)]


@pytest.mark.parametrize(
    "function",
    [np.add, np.multiply, np.matmul, np.dot, np.hypot, lambda a, b: np.einsum("ij,ji->i", a, b)],
)
def test_what_chooses_nothing_leaves_no_record(function):
    x = np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert branches(lambda z: total(function(z, z)), x) == []


def test_a_loop_over_numbers_is_seen_too():
    def by_comparing(z):
        loss = 0.0
        for i in range(2):
            for j in range(4):
                margin = 2 * z[i, j] + 0.0
                if margin > 0:
                    loss += margin
        return loss

    def by_builtin(z):
        return sum(max(0, value) for row in z for value in row)

    def by_ufunc(z):
        return sum(np.maximum(0, value) for row in z for value in row)

    assert branches(by_comparing, Z) == [("greater", 4, 8)]
    assert branches(by_builtin, Z) == [("greater", 4, 8)]
    assert branches(by_ufunc, Z) == [("maximum", 4, 8)]
    assert branches(lambda z: sum(abs(v) for v in z[0]), Z) == [("absolute", 2, 4)]
