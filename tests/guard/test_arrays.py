"""Bytes of arrays: compared, saved, watched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradhook.guard.objects import (
    COMPARED_BYTES,
    WATCHED,
    Saved,
    SavedArray,
    fingerprint,
    same_bytes,
)

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
DTYPES = st.sampled_from(["f8", "f4", "f2", "g", "i8", "i4", "u1", "?", "c16", "S3", "M8[s]"])
ARRAYS = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, SHAPES))


def turned(array, how):
    """The same entries in another layout."""
    if how == "fortran" and array.ndim:
        return np.asfortranarray(array)
    if how == "strided" and array.ndim:
        return np.repeat(array, 2, axis=0)[::2]
    if how == "backwards" and array.ndim:
        return array[::-1].copy()[::-1]
    return array.copy()


@given(ARRAYS, st.sampled_from(["plain", "fortran", "strided", "backwards"]))
def test_a_copy_in_any_layout_has_the_same_bytes_and_fingerprint(array, how):
    other = turned(array, how)
    assert same_bytes(array, other)
    assert fingerprint(array) == fingerprint(other) or how == "fortran"


@given(ARRAYS.filter(lambda a: a.nbytes > 0), st.data())
def test_any_changed_bit_is_seen(array, data):
    array = np.ascontiguousarray(array)
    other = array.copy()
    used = other.dtype.itemsize if other.dtype.kind != "f" else np.finfo(other.dtype).bits // 8
    position = data.draw(
        st.integers(0, other.nbytes - 1).filter(lambda i: i % other.itemsize < used)
    )
    other.reshape(-1).view(np.uint8)[position] ^= 1 << data.draw(st.integers(0, 7))
    assert not same_bytes(array, other)
    assert fingerprint(array) != fingerprint(other)


def test_nan_equals_nan_and_the_signs_of_zero_differ():
    assert same_bytes(np.array([np.nan]), np.array([np.nan]))
    assert not same_bytes(np.array([0.0]), np.array([-0.0]))


@pytest.mark.parametrize("other", [np.zeros((2, 3)), np.zeros(6, np.int64), np.zeros(5)])
def test_shape_and_dtype_count(other):
    assert not same_bytes(np.zeros(6), other)
    assert fingerprint(np.zeros(6)) != fingerprint(other)


def test_objects_are_compared_by_identity():
    thing, twin = [1], [1]
    first = np.array([thing, None], dtype=object)
    assert same_bytes(first, np.array([thing, None], dtype=object))
    assert not same_bytes(first, np.array([twin, None], dtype=object))


@pytest.mark.parametrize("position", [0, COMPARED_BYTES // 8, -1])
def test_a_change_beyond_the_first_chunk_is_seen(position):
    array = np.zeros(COMPARED_BYTES // 8 + 7)
    other, marks = array.copy(), fingerprint(array)
    other[position] = 1
    assert not same_bytes(array, other)
    assert fingerprint(other) != marks


def test_two_words_exchanged_change_the_fingerprint():
    array = np.arange(20_000.0)
    other = array.copy()
    other[[3, 4099]] = other[[4099, 3]]
    assert fingerprint(array) != fingerprint(other)


@given(ARRAYS)
def test_a_saved_array_comes_back_to_the_bit(array):
    saved, before = SavedArray(array), array.tobytes()
    assert not saved.changed()
    array[...] = np.zeros((), array.dtype)
    saved.restore()
    assert array.tobytes() == before
    assert not saved.changed()


def test_a_saved_array_comes_back_from_another_shape():
    array = np.array([[0.0, 1, 2], [3, 4, 5]])
    saved = SavedArray(array)
    array.resize((4, 4), refcheck=False)
    assert saved.changed()
    saved.restore()
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("dtype", ["i8", "f4"])
def test_a_saved_array_comes_back_from_another_dtype(dtype):
    array = np.array([[0.0, 1, 2], [3, 4, 5]])
    saved = SavedArray(array)
    array.dtype = dtype
    assert saved.changed()
    saved.restore()
    assert not saved.changed()
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_saved_array_becomes_writable_again():
    array = np.arange(3.0)
    saved = SavedArray(array)
    array.flags.writeable = False
    assert saved.changed()
    saved.restore()
    assert array.flags.writeable


def test_masked_entries_are_saved_too():
    array = np.ma.MaskedArray([1.0, 2.0], mask=[True, False])
    saved = SavedArray(array)
    array.data[0] = 9
    saved.restore()
    assert array.data.tolist() == [1, 2]


def test_a_watched_array_notices_and_says_what_to_do():
    array = np.zeros((512, 256))
    watched = Saved(array, WATCHED)
    assert not watched.changed()
    array[3, 5] = 1
    assert watched.changed()
    watched.restore()
    assert watched.changed()
    assert watched.describe() == (
        "an array of shape (512, 256) and dtype float64 (1 MiB, too large to be copied unasked: "
        "pass it as state=)"
    )
