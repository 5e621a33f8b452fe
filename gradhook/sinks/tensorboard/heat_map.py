"""Relative errors of a block as a picture: a PNG made with NumPy and ``zlib`` alone.

Rows are those of the block.  Colours go by the decimal logarithm, light blue below the ratio at
which gradhook warns and yellow to dark red above the one at which it fails, and always mean the
same, so that pictures compare.  A block with more rows or columns than can be shown is cut into
cells, and a cell has the colour of its largest error: a single wrong element never vanishes.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib

import numpy as np

from gradhook._types import Array

__all__ = ["png"]

CELLS = 256
"""Rows, and columns, that are drawn at most."""

PLOT = (320, 480)
"""Height and width of the plot in pixels, unless its cells are at their largest or smallest."""

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

PAPER, INK, UNKNOWN, RING, FIRST = range(5)
"""Entries of the palette; the colours of the errors follow from ``FIRST``."""

FIXED = ((255, 255, 255), (38, 38, 38), (190, 190, 190), (0, 0, 0))
"""Colours of the first four."""

SCALE = 2
"""Pixels of a dot of a letter."""

LETTER = 6 * SCALE
LINE = 7 * SCALE
GAP = 4 * SCALE

# Five columns of seven dots, the lowest bit at the top.
GLYPHS = {
    "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2141454b31", "4": "1814127f10",
    "5": "2745454539", "6": "3c4a494930", "7": "0171090503", "8": "3649494936", "9": "064949291e",
    "+": "08083e0808", "-": "0808080808", ".": "0060600000", ",": "0050300000", ":": "0036360000",
    "[": "007f414100", "]": "0041417f00", "a": "2054545478", "e": "3854545418", "i": "00447d4000",
    "l": "00417f4000", "o": "3844444438", "r": "7c08040408", "s": "4854545420", "t": "043f444020",
    "v": "1c2040201c", "w": "3c4030403c",
}  # fmt: skip


def png(relative_errors: Array, worst: tuple[int, ...] | None = None) -> bytes:
    """Return the picture of a block's relative errors, one element marked.

    Args:
        relative_errors: Two axes, neither of them empty; NaN where unknown.
        worst: Index of the element to mark; the largest by default.
    """
    errors = np.asarray(relative_errors, dtype=np.float64)
    known = np.where(np.isnan(errors), -1.0, errors)
    row, column = (int(i) for i in worst or np.unravel_index(known.argmax(), known.shape))
    cells, pooled = _pool(known)
    height, width = (_side(n, room) for n, room in zip(cells.shape, PLOT, strict=True))
    plot = _colour(cells).repeat(height, axis=0).repeat(width, axis=1)

    caption, head = "relative error", f"worst [{row}, {column}]: {known[row, column]:.1e}"
    if known[row, column] < 0:
        head = ""
    left = LETTER * len(str(errors.shape[0] - 1)) + GAP
    top = 2 * (LINE + GAP) + GAP
    bar = left + max(plot.shape[1] + 2 * LETTER, LETTER * 8)
    sheet = np.full(
        (
            top + max(plot.shape[0], 9 * LINE) + 2 * GAP + LINE,
            max(bar + 9 * LETTER, left + LETTER * max(len(head), len(caption)) + GAP),
        ),
        PAPER,
        dtype=np.uint8,
    )
    _write(sheet, caption, GAP // 2, left)
    _write(sheet, head, GAP // 2 + LINE + GAP, left)
    sheet[top : top + plot.shape[0], left : left + plot.shape[1]] = plot
    if head:
        y, x = top + row // pooled[0] * height, left + column // pooled[1] * width
        _ring(sheet, y, x, height, width)
    _scale(sheet, top, bar, max(plot.shape[0], 9 * LINE))
    for i in _apart([row if head else 0, 0, errors.shape[0] - 1], pooled[0], height, LINE):
        middle = top + i // pooled[0] * height + height // 2
        _write(sheet, str(i), middle - LINE // 2, left - GAP // 2 - LETTER * len(str(i)))
    widest = LETTER * len(str(errors.shape[1]))
    for j in _apart([column if head else 0, 0, errors.shape[1] - 1], pooled[1], width, widest):
        middle = left + j // pooled[1] * width + width // 2
        _write(sheet, str(j), top + plot.shape[0] + GAP, middle - LETTER * len(str(j)) // 2)
    return _encode(sheet)


def _pool(errors: Array) -> tuple[Array, tuple[int, int]]:
    """Return the largest error of each cell, and how many rows and columns a cell has."""
    rows, columns = (math.ceil(n / CELLS) for n in errors.shape)
    for axis, n in enumerate((rows, columns)):
        errors = np.maximum.reduceat(errors, np.arange(0, errors.shape[axis], n), axis=axis)
    return errors, (rows, columns)


def _side(cells: int, room: int) -> int:
    return min(max(room // cells, CELL[0]), CELL[1])


def _colour(errors: Array) -> Array:
    """Return entries of the palette; negative errors are unknown."""
    lowest, highest = min(COLOURS), max(COLOURS)
    with np.errstate(divide="ignore"):
        share = (np.log10(np.maximum(errors, 0)) - lowest) / (highest - lowest)
    entries = FIRST + np.round(np.clip(share, 0, 1) * (255 - FIRST))
    return np.where(errors < 0, UNKNOWN, entries).astype(np.uint8)


def _ring(sheet: Array, y: int, x: int, height: int, width: int) -> None:
    """Draw a frame around a cell, white inside black, so that it shows on any colour."""
    for colour, outer, inner in ((RING, 6, 4), (PAPER, 4, 2), (RING, 2, 0)):
        frame = np.zeros(sheet.shape, dtype=bool)
        frame[max(y - outer, 0) : y + height + outer, max(x - outer, 0) : x + width + outer] = True
        frame[max(y - inner, 0) : y + height + inner, max(x - inner, 0) : x + width + inner] = False
        sheet[frame] = colour


def _scale(sheet: Array, top: int, left: int, height: int) -> None:
    """Draw the bar that says which colour is which error."""
    lowest, highest = min(COLOURS), max(COLOURS)
    shades = _colour(10.0 ** np.linspace(highest, lowest, height))
    sheet[top : top + height, left : left + LETTER] = shades[:, None]
    for exponent in COLOURS:
        y = top + round((highest - exponent) / (highest - lowest) * (height - 1))
        sheet[max(y - 1, top) : y + 1, left : left + LETTER + GAP // 2] = INK
        label = f"1e{exponent}" if exponent else "1"
        up = min(max(y - LINE // 2, top), top + height - LINE)
        _write(sheet, label, up, left + LETTER + GAP)


def _apart(wanted: list[int], pooled: int, side: int, room: int) -> list[int]:
    """Return those of the wanted indices whose labels do not overlap, the first one surely."""
    chosen: list[int] = []
    for index in wanted:
        if all(abs(index // pooled - other // pooled) * side > room for other in chosen):
            chosen.append(index)
    return chosen


def _write(sheet: Array, text: str, top: int, left: int) -> None:
    """Write text; what does not fit is moved to the left."""
    left = max(min(left, sheet.shape[1] - LETTER * len(text)), 0)
    for place, letter in enumerate(text):
        columns = np.frombuffer(bytes.fromhex(GLYPHS.get(letter, "0000000000")), dtype=np.uint8)
        dots = (columns[None, :] >> np.arange(7)[:, None]) & 1
        dots = dots.repeat(SCALE, axis=0).repeat(SCALE, axis=1).astype(bool)
        start = left + place * LETTER
        sheet[top : top + LINE, start : start + 5 * SCALE][dots] = INK


def _palette() -> bytes:
    """Return red, green and blue of the 256 entries."""
    share = np.linspace(min(COLOURS), max(COLOURS), 256 - FIRST)
    mixed = [
        np.interp(share, list(COLOURS), [colour[i] for colour in COLOURS.values()])
        for i in range(3)
    ]
    shades = np.stack(mixed, axis=1).round().astype(np.uint8)
    return bytes(itertools.chain.from_iterable(FIXED)) + shades.tobytes()


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
