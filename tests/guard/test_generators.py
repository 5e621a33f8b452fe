"""Random generators, saved and put back."""

import random

import numpy as np
import pytest

from gradhook.guard.objects import global_streams, save

BITS = (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)


@pytest.mark.parametrize("bits", BITS)
def test_a_generator_gives_the_same_numbers_again(bits):
    rng = np.random.Generator(bits(1))
    rng.random(3)
    saved = save(rng)
    # An odd number of 32-bit draws leaves half a word in the buffer.
    drawn = rng.integers(0, 2**32, 5, dtype=np.uint32).tobytes() + rng.normal(size=3).tobytes()
    assert saved.changed()
    saved.restore()
    assert not saved.changed()
    again = rng.integers(0, 2**32, 5, dtype=np.uint32).tobytes() + rng.normal(size=3).tobytes()
    assert drawn == again


@pytest.mark.parametrize(
    ("generator", "draw"),
    [
        (np.random.RandomState(1), lambda rng: rng.randn()),
        (np.random.RandomState(np.random.PCG64(1)), lambda rng: rng.randn()),
        (random.Random(1), lambda rng: rng.gauss(0, 1)),
    ],
)
def test_the_second_half_of_a_pair_is_kept(generator, draw):
    """Normal numbers are made in pairs, and the second one is kept."""
    draw(generator)
    saved = save(generator)
    first = [draw(generator) for _ in range(4)]
    saved.restore()
    assert [draw(generator) for _ in range(4)] == first


def test_what_has_no_state_is_not_saved():
    assert save(random.SystemRandom()) is None
    assert save("no generator") is None


@pytest.mark.parametrize("draw", [np.random.rand, random.random])
def test_the_global_streams_are_put_back(draw):
    saved = global_streams()
    first = draw()
    assert [record.changed() for record in saved].count(True) == 1
    for record in saved:
        record.restore()
    assert draw() == first
    for record in saved:
        record.restore()


def test_another_bit_generator_as_numpys_global_one_is_put_back_without_a_warning():
    original = np.random.get_bit_generator()
    try:
        np.random.set_bit_generator(np.random.PCG64(1))
        saved = global_streams()
        first = np.random.rand(3).tolist()
        for record in saved:
            record.restore()
        assert np.random.rand(3).tolist() == first
    finally:
        np.random.set_bit_generator(original)


def test_generators_say_what_they_are():
    assert save(random.Random(1)).describe() == "the random generator Random"
    assert [record.describe() for record in global_streams()] == [
        "NumPy's global random stream",
        "Python's global random stream",
    ]
    assert all(record.kind.is_generator for record in global_streams())
