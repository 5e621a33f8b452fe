"""Pictures are decoded and looked at pixel by pixel."""

import struct
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gradhook.sinks.tensorboard.heat_map import COLOURS, png

GREY, WHITE, BLACK = (190, 190, 190), (255, 255, 255), (0, 0, 0)


def decode(data):
    """Return the pixels of a PNG without interlacing or filters, as colours."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", data[place + 8 + length : place + 12 + length])
        assert check == zlib.crc32(kind + body)
        chunks[kind] = body
        place += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


def has(picture, colour):
    return bool((picture == np.array(colour, np.uint8)).all(axis=2).any())


def test_an_error_at_a_decade_has_its_colour_and_one_between_two_is_mixed():
    for exponent, colour in COLOURS.items():
        assert (decode(png(np.full((3, 3), 10.0**exponent))) == np.array(colour, np.uint8)).all()
    mixed = (np.array(COLOURS[-4]) + COLOURS[-2]) / 2
    assert (np.abs(decode(png(np.full((3, 3), 1e-3))) - mixed) <= 0.5).all()


def test_one_wrong_element_of_a_million_is_in_the_picture():
    errors = np.full((1000, 1000), 1e-9)
    right = decode(png(errors))
    errors[777, 333] = 0.05
    rows, columns = np.nonzero((right != decode(png(errors))).any(axis=2))
    # A cell is four rows and four columns, and two pixels wide.
    assert (set(rows), set(columns)) == ({2 * 194, 2 * 194 + 1}, {2 * 83, 2 * 83 + 1})


def test_errors_below_the_scale_are_lightest_and_above_it_darkest():
    for error, colour in ((0.0, COLOURS[-8]), (2.0, COLOURS[0])):
        assert (decode(png(np.full((3, 3), error))) == np.array(colour, np.uint8)).all()


def test_what_is_not_known_is_grey():
    errors = np.full((3, 3), 1e-9)
    assert not has(decode(png(errors)), GREY)
    errors[1, 1] = np.nan
    assert has(decode(png(errors)), GREY)


def test_the_element_named_is_framed_in_white_between_black_and_else_none_is():
    errors = np.full((9, 9), 1e-3)
    assert not has(decode(png(errors)), BLACK)
    picture = decode(png(errors, (2, 3)))
    # Nine rows share 320 pixels, nine columns 480: a cell is 35 pixels high and 53 wide.
    middle, left = 2 * 35 + 17, 3 * 53
    frame = [tuple(int(c) for c in picture[middle, left - i]) for i in range(1, 7)]
    assert frame == [BLACK, BLACK, WHITE, WHITE, BLACK, BLACK]
    assert not has(picture[2 * 35 : 3 * 35, left : left + 53], BLACK)


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 40) | st.just(600), st.integers(1, 40) | st.just(600)),
        elements=st.floats(0, 2) | st.just(np.nan),
        fill=st.just(1e-9),
    )
)
def test_any_block_makes_a_picture_that_a_screen_holds(errors):
    height, width, _ = decode(png(errors, (0, 0))).shape
    assert 60 < height < 700
    assert 60 < width < 900
