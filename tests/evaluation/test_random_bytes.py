"""Random bytes made where they are read, and what is written with them."""

import numpy as np
import pytest

from gradhook.evaluation.directions import (
    CHUNK,
    LONG,
    TABLE,
    Move,
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


def moved(source, move):
    numbers = move.table[move.stream(source.size).read(0, source.size)].reshape(source.shape)
    return source * numbers if move.how == "multiply" else source + numbers


@pytest.mark.parametrize("how", ["multiply", "add"])
@pytest.mark.parametrize("layout", ["C", "F", "strided", "float32"])
def test_what_is_written_is_the_formula_to_the_bit(how, layout):
    source = np.random.default_rng(1).standard_normal((150, 120))
    if layout == "F":
        source = np.asfortranarray(source)
    if layout == "strided":
        source = np.repeat(source, 2, axis=1)[:, ::2]
    if layout == "float32":
        source = source.astype(np.float32)
    target = np.empty_like(source)
    if layout == "strided":
        target = np.empty((150, 240))[:, ::2]
    move, direction = Move(1 + 0.1 * TABLE, how, 3), random_direction(source.size, 9)
    at = moved(source, move)
    displace(target, source, move, direction, 1e-3)
    expected = at + (TABLE * 1e-3)[direction.codes].reshape(source.shape)
    assert np.array_equal(target, expected.astype(source.dtype))
    displace(target, source, move, None, 0.0)
    assert np.array_equal(target, at.astype(source.dtype))
    displace(target, source, None, None, 0.0)
    assert np.array_equal(target, source)


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
