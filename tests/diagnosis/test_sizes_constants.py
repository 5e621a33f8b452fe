"""The numbers that a factor may come from, as a batch and blocks show them."""

import types

import numpy as np
import pytest

from gradhook.diagnosis.constants import READINGS, fewer_rows, sizes_seen
from gradhook.diagnosis.mismatch import rows_of


def seen_in(*batch, shapes=((5, 4), (4, 3)), switches=()):
    gradients = {f"W{k}": np.zeros(shape) for k, shape in enumerate(shapes)}
    return types.SimpleNamespace(
        evaluator=types.SimpleNamespace(batch=batch),
        options=types.SimpleNamespace(sample_axis=0),
        gradients=gradients,
        order=list(gradients),
        rows=len(batch[0]),
        measured=types.SimpleNamespace(setting=types.SimpleNamespace(switches=switches)),
    )


X = np.ones((7, 5))


def test_rows_outputs_and_widths_are_seen():
    sizes = sizes_seen(seen_in(X, np.ones((7, 3))))
    assert (sizes.rows, sizes.outputs) == (7, 3)
    assert sizes.widths == {3, 4, 5}
    assert sizes.regression


def test_labels_are_no_targets_for_every_output():
    assert not sizes_seen(seen_in(X, np.arange(7))).regression


@pytest.mark.parametrize(
    "mask", [np.arange(7) < 4, (np.arange(7) < 4).astype(float), np.where(np.arange(7) < 4, 2, -1)]
)
def test_a_mask_counts_the_rows_that_it_lets_count(mask):
    mismatch = seen_in(X, mask)
    assert sizes_seen(mismatch).counted == (4,)
    counted = [reading for reading in READINGS if reading.counts == "counted"]
    assert fewer_rows(mismatch, counted) == [0, 1, 2, 4, 5, 6]  # without the last that counts


def test_a_batch_without_rows_has_none():
    assert rows_of((3.0,), 0) == 0
    assert fewer_rows(seen_in(X), READINGS) == [0, 1, 2, 3]
