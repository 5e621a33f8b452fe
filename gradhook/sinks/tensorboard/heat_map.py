"""Relative errors of a block as a picture: a PNG made with NumPy and ``zlib`` alone.

Rows are those of the block.  Colours go by the decimal logarithm, light blue below the ratio at
which gradhook warns and yellow to dark red above the one at which it fails, and always mean the
same, so that pictures compare; what they mean stands in the picture's description.  A block with
more rows or columns than can be shown is cut into cells, and a cell has the colour of its largest
error: a single wrong element never vanishes.
"""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np

from gradhook._types import Array

__all__ = ["png"]

MOST_CELLS = 256
"""Rows, and columns, that are drawn at most."""

PLOT = (320, 480)
"""Height and width of the picture in pixels, unless its cells are at their largest or smallest."""

CELL = (2, 64)
"""Pixels of a side of a cell, at least and at most."""

COLOURS = {
    -8: (236, 244, 252),
    -6: (158, 202, 225),
    -4: (254, 224, 118),
    -2: (240, 110, 50),
    0: (103, 0, 13),
}
"""Decimal logarithm of the relative error, and its colour; in between they are mixed."""

WHITE, BLACK, UNKNOWN = (255, 255, 255), (0, 0, 0), (190, 190, 190)


def png(relative_errors: Array, worst: tuple[int, ...] | None = None) -> bytes:
    """Return the picture of relative errors, NaN where unknown; the worst element is marked."""
    errors = np.asarray(relative_errors, dtype=np.float64)
    pooled = [math.ceil(n / MOST_CELLS) for n in errors.shape]
    for axis, n in enumerate(pooled):  # A cell has its largest error, NaN where none is known.
        errors = np.fmax.reduceat(errors, np.arange(0, errors.shape[axis], n), axis=axis)
    with np.errstate(divide="ignore"):
        shade = np.log10(errors)
    channels = np.array(list(COLOURS.values())).T
    colours = np.stack([np.interp(shade, list(COLOURS), each) for each in channels], -1).round()
    colours[np.isnan(errors)] = UNKNOWN
    sides = [int(np.clip(room // n, *CELL)) for n, room in zip(errors.shape, PLOT, strict=True)]
    sheet = colours.astype(np.uint8).repeat(sides[0], axis=0).repeat(sides[1], axis=1)
    if worst is not None:
        top, left = (i // n * side for i, n, side in zip(worst, pooled, sides, strict=True))
        cell = sheet[top : top + sides[0], left : left + sides[1]].copy()
        # A frame around it, white inside black, so that it shows on any colour.
        for colour, width in ((BLACK, 6), (WHITE, 4), (BLACK, 2)):
            rows = slice(max(top - width, 0), top + sides[0] + width)
            sheet[rows, max(left - width, 0) : left + sides[1] + width] = colour
        sheet[top : top + sides[0], left : left + sides[1]] = cell
    return _encode(sheet)


def _encode(sheet: Array) -> bytes:
    """Return a PNG (ISO/IEC 15948) of 8 bits for each of red, green and blue."""
    height, width, _ = sheet.shape
    # Each line begins with its filter, 0 for none.
    lines = np.pad(sheet.reshape(height, 3 * width), ((0, 0), (1, 0)))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(lines.tobytes())
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )
