"""Random bytes made where they are read, and what is written with them."""

import numpy as np
import pytest

from gradhook.evaluation.directions import (
    CHUNK,
    LONG,
    Stream,
    random_direction,
)
from gradhook.evaluation.points import generic
from gradhook.evaluation.workspace import displace

SIZES = [1, 7, 8, 4096, 4097, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5, LONG - 1, LONG, LONG + 5]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("drawn", [True, False])
def test_a_stream_gives_the_same_bytes_whatever_the_part_read(size, drawn):
    stream = Stream(11, size, drawn)
    whole = stream.read(0, size)
    assert whole.dtype == np.uint8
    assert whole.shape == (size,)
    numbers = [part.copy() for part in stream.numbers(np.arange(256.0))]
    assert np.array_equal(np.concatenate(numbers), whole)
    assert np.array_equal(np.concatenate([[], *numbers[1:]]), whole[CHUNK:])
    later = [part.copy() for part in stream.numbers(np.arange(256.0), 1)]
    assert np.array_equal(np.concatenate([[], *later]), whole[CHUNK:])
    for start, stop in ((0, size // 2), (size // 3, size), (size // 2, size // 2)):
        assert np.array_equal(stream.read(start, stop), whole[start:stop])


MANY = LONG + CHUNK + 77


def residuals():
    """Residuals whose parts could meet the same bytes again in a stream laid out from a pool."""
    at = np.arange(MANY)
    two_chunks = np.zeros(MANY)
    two_chunks[:CHUNK], two_chunks[CHUNK : 2 * CHUNK] = 1.0, -1.0
    return {
        "everywhere the same": np.ones(MANY),
        "two chunks exchanged": two_chunks,
        "two elements exchanged, a chunk apart": (at == 5) * 1.0 - (at == 5 + CHUNK),
        "the same in every chunk": np.sin(0.1 * (at % CHUNK) ** 1.5),
        "one element in every chunk": (at % CHUNK == 3) * 1.0,
        "a column": (at % 641 == 3) * 1.0,
        "a slow wave": np.sin(at / 3000),
    }


def test_long_directions_see_every_residual_by_its_norm():
    named = residuals()
    unit = np.stack([each / np.linalg.norm(each) for each in named.values()])
    count = 200
    seen = np.empty((count, len(named)))
    for seed in range(count):
        direction = np.concatenate([part.copy() for part in random_direction(MANY, seed).numbers()])
        seen[seed] = (unit @ direction) ** 2
    for name, squares in zip(named, seen.T, strict=True):
        assert abs(np.mean(squares) - 1) < 4 * np.std(squares) / np.sqrt(count), name
        # A normal value is below a hundredth in 0.8 % of cases; of two elements alone the
        # magnitudes are equal in 1 of 128, their signs in half of these: 1.2 %, and 5 sigma.
        assert np.count_nonzero(squares < 1e-4) <= 0.012 * count + 5 * np.sqrt(0.012 * count), name


def test_rows_of_a_large_block_that_was_zero_differ_at_the_generic_point():
    zero = np.zeros((8192, 32))
    moved_there = np.empty_like(zero)
    move = generic({"W": zero}, fixed=(), seed=0)["W"]
    displace(moved_there, zero, move, None, 0.0)
    assert len(np.unique(moved_there, axis=0)) == len(zero)
