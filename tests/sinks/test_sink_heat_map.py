"""Pictures are decoded and looked at pixel by pixel."""

import struct
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gradhook.sinks.tensorboard.heat_map import COLOURS, GLYPHS, _palette, png

GREY, WHITE = (190, 190, 190), (255, 255, 255)


def decode(data):
    """Return the pixels of an indexed PNG without interlacing or filters, as colours."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", data[place + 8 + length : place + 12 + length])
        assert check == zlib.crc32(kind + body)
        chunks[kind] = body
        place += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 3, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(256, 3)[lines[:, 1:]]


def has(picture, colour):
    return bool((picture == np.array(colour, np.uint8)).all(axis=2).any())


def test_the_palette_runs_through_its_colours_in_order():
    palette = np.frombuffer(_palette(), np.uint8).reshape(256, 3)
    # 252 shades over eight decades: a whole decade is 251 / 8 of them.
    for exponent, colour in COLOURS.items():
        shade = palette[4 + round((exponent + 8) / 8 * 251)].astype(int)
        assert np.abs(shade - colour).max() <= 3
    assert [tuple(entry) for entry in palette[:4]] == [WHITE, (38, 38, 38), GREY, (0, 0, 0)]


def test_one_wrong_element_of_a_million_is_in_the_picture():
    errors = np.full((1000, 1000), 1e-9)
    right = decode(png(errors, (0, 0)))
    errors[777, 333] = 0.05
    wrong = decode(png(errors, (0, 0)))
    changed = (right != wrong).any(axis=2)
    changed[:100] = False  # The heading tells the error of the element that is marked.
    rows, columns = np.nonzero(changed)
    # A cell is four rows and four columns, and two pixels wide.
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (2, 2)


def test_errors_below_the_scale_are_lightest_and_above_it_darkest():
    least = decode(png(np.full((3, 3), 0.0)))
    most = decode(png(np.full((3, 3), 2.0)))
    # The bar beside the plot holds every colour, so their areas are compared.
    for picture, colour in ((least, COLOURS[-8]), (most, COLOURS[0])):
        area = (picture == np.array(colour, np.uint8)).all(axis=2).sum()
        assert area > 8 * 64 * 64 * 0.9


def test_what_is_not_known_is_grey():
    errors = np.full((3, 3), 1e-9)
    assert not has(decode(png(errors)), GREY)
    errors[1, 1] = np.nan
    assert has(decode(png(errors)), GREY)


def test_a_block_of_which_nothing_is_known_has_no_element_marked():
    picture = decode(png(np.full((3, 3), np.nan)))
    assert not has(picture, (0, 0, 0))
    assert has(decode(png(np.full((3, 3), 1.0))), (0, 0, 0))


def test_the_element_named_is_marked_and_else_the_largest():
    errors = np.full((9, 9), 1e-9)
    errors[2, 3] = 1e-3
    assert png(errors) == png(errors, (2, 3)) != png(errors, (5, 5))


def test_pictures_are_small_even_of_large_blocks():
    errors = 10 ** np.random.default_rng(0).uniform(-10, 0, (2000, 2000))
    # 256 x 256 cells of a byte each, which noise does not let shrink, and the frame around them.
    assert len(png(errors)) < 256 * 256 * 1.5


def test_every_letter_written_has_a_shape():
    assert set("relative error worst [0123456789, ]: +-e.") <= {*GLYPHS, " "}


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 40) | st.just(600), st.integers(1, 40) | st.just(600)),
        elements=st.floats(0, 2) | st.just(np.nan),
        fill=st.just(1e-9),
    )
)
def test_any_block_makes_a_picture_that_a_screen_holds(errors):
    height, width, _ = decode(png(errors)).shape
    assert 100 < height < 700
    assert 200 < width < 900
