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

WHITE, BLACK, UNKNOWN, FIRST = range(4)
"""Entries of the palette; the colours of the errors follow from ``FIRST``."""

FIXED = ((255, 255, 255), (0, 0, 0), (190, 190, 190))
"""Colours of the first three."""


def png(relative_errors: Array, worst: tuple[int, ...] | None = None) -> bytes:
    """Return the picture of a block's relative errors.

    Args:
        relative_errors: Two axes, neither of them empty; NaN where unknown.
        worst: Index of the element to mark, ``None`` for none.
    """
    errors = np.asarray(relative_errors, dtype=np.float64)
    cells, pooled = _pool(np.where(np.isnan(errors), -1.0, errors))
    sides = [int(np.clip(room // n, *CELL)) for n, room in zip(cells.shape, PLOT, strict=True)]
    sheet = _colour(cells).repeat(sides[0], axis=0).repeat(sides[1], axis=1)
    if worst is not None:
        row, column = (
            slice(i // n * side, i // n * side + side)
            for i, n, side in zip(worst, pooled, sides, strict=True)
        )
        _ring(sheet, row, column)
    return _encode(sheet)


def _pool(errors: Array) -> tuple[Array, tuple[int, int]]:
    """Return the largest error of each cell, and how many rows and columns a cell has."""
    rows, columns = (math.ceil(n / MOST_CELLS) for n in errors.shape)
    for axis, n in enumerate((rows, columns)):
        errors = np.maximum.reduceat(errors, np.arange(0, errors.shape[axis], n), axis=axis)
    return errors, (rows, columns)


def _colour(errors: Array) -> Array:
    """Return entries of the palette; negative errors are unknown."""
    lowest, highest = min(COLOURS), max(COLOURS)
    with np.errstate(divide="ignore"):
        share = (np.log10(np.maximum(errors, 0)) - lowest) / (highest - lowest)
    entries = FIRST + np.round(np.clip(share, 0, 1) * (255 - FIRST))
    return np.where(errors < 0, UNKNOWN, entries).astype(np.uint8)


def _ring(sheet: Array, rows: slice, columns: slice) -> None:
    """Draw a frame around a cell, white inside black, so that it shows on any colour."""
    y, x = np.ogrid[: sheet.shape[0], : sheet.shape[1]]
    # Pixels to the cell, negative inside of it.
    apart = np.maximum.reduce(
        np.broadcast_arrays(
            rows.start - y, y - rows.stop + 1, columns.start - x, x - columns.stop + 1
        )
    )
    for colour, nearest in ((BLACK, 1), (WHITE, 3), (BLACK, 5)):
        sheet[(apart >= nearest) & (apart < nearest + 2)] = colour


def _palette() -> bytes:
    """Return red, green and blue of the 256 entries."""
    share = np.linspace(min(COLOURS), max(COLOURS), 256 - FIRST)
    mixed = [
        np.interp(share, list(COLOURS), [colour[i] for colour in COLOURS.values()])
        for i in range(3)
    ]
    shades = np.stack(mixed, axis=1).round().astype(np.uint8)
    return np.array(FIXED, dtype=np.uint8).tobytes() + shades.tobytes()


def _encode(sheet: Array) -> bytes:
    """Return an indexed-colour PNG (ISO/IEC 15948) of 8 bits a pixel."""
    height, width = sheet.shape
    # Each line begins with its filter, 0 for none.
    lines = np.zeros((height, width + 1), dtype=np.uint8)
    lines[:, 1:] = sheet
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", _palette()),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
