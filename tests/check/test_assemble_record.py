"""Units without gradient: what is counted, and when it is worth a sentence."""

import numpy as np
import pytest

import gradhook
from gradhook.check.record import idle_part


def gradient(shape, *zero):
    values = np.ones(shape)
    for index in zero:
        values[index] = 0.0
    return values


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (gradient((20,), slice(12)), "12 of 20 elements"),
        (gradient((20,), slice(5)), "5 of 20 elements"),
        (gradient((20,), slice(4)), ""),
        (gradient((100, 4), slice(97)), "97 of 100 rows"),
        (gradient((6, 4), np.s_[:, 1:]), "3 of 4 columns"),
        (gradient((6, 4), np.s_[:2], np.s_[:, 1:]), "3 of 4 columns"),
        (gradient((6, 4), np.s_[0, 0]), ""),
        (gradient((8, 3, 2, 2), slice(4)), "4 of 8 slices along the first axis"),
        (gradient((2, 3, 8), np.s_[..., :4]), "4 of 8 slices along the last axis"),
        (np.zeros((3, 2)), "3 of 3 rows"),
        (np.full((4,), np.nan), ""),
        (np.zeros(()), ""),
        (np.zeros((0, 3)), ""),
    ],
)
def test_slices_without_gradient_are_counted_from_a_quarter_on(values, said):
    assert idle_part([values]) == said


def test_only_what_is_zero_in_every_setting_counts():
    first, second = gradient((8,), slice(0, 6)), gradient((8,), slice(4, 8))
    assert idle_part([first, second]) == "2 of 8 elements"
    assert idle_part([first, np.ones(8)]) == ""
    assert idle_part([]) == ""


def relu_network(b):
    def loss_and_gradients(p, x):
        z = x @ p["W"] + p["b"]
        h = np.maximum(0, z)
        back = 2 * h
        return np.sum(h**2), {"W": x.T @ back, "b": back.sum(axis=0)}

    random = np.random.default_rng(0)
    x = random.normal(size=(9, 4))
    return gradhook.check_gradients(
        loss_and_gradients, {"W": 0.1 * random.normal(size=(4, 20)), "b": b}, batch=(x,)
    )


def test_dead_units_of_a_block_that_passes_are_told():
    report = relu_network(np.where(np.arange(20) < 12, -50.0, 1.0))
    assert report.passed
    assert (
        "b: 12 of 20 elements have zero gradient on these rows of data (dead units?), untested"
    ) in report.coverage
    assert (
        "W: 12 of 20 columns have zero gradient on these rows of data, untested" in report.coverage
    )


def test_an_untested_block_says_how_much_of_it_is_dead():
    report = relu_network(np.full(20, -50.0))
    assert report.blocks["b"].verdict == "UNTESTED"
    assert report.blocks["b"].sentence.endswith("(20 of 20 elements have zero gradient)")
    told = [line for line in report.coverage if line.startswith("b untested: gradient is zero")]
    assert len(told) == 1
    assert told[0].endswith("(20 of 20 elements have zero gradient)")


def test_rows_of_an_embedding_that_no_index_names_are_told():
    def loss_and_gradients(p, index, target):
        apart = p["E"][index] - target
        gradient = np.zeros_like(p["E"])
        np.add.at(gradient, index, 2 * apart)
        return np.sum(apart**2), {"E": gradient}

    random = np.random.default_rng(1)
    index = np.array([3, 14, 15, 14])
    report = gradhook.check_gradients(
        loss_and_gradients,
        {"E": random.normal(size=(100, 2))},
        batch=(index, random.normal(size=(4, 2))),
        samples=None,
    )
    assert report.passed
    assert "E: 97 of 100 rows have zero gradient here, untested" in report.coverage
