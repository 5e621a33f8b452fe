"""Numbers, names and widths as a report shows them.

Everything that came from the user (names, sentences that quote names) passes through
``printable``, so that no control character reaches a terminal.  The marks used (``±``, ``…``,
``–``) exist in every Western code page.
"""

from __future__ import annotations

import math
import unicodedata

__all__ = [
    "LONGEST",
    "block_name",
    "columns",
    "count",
    "fit",
    "number",
    "printable",
    "ratio",
    "shape",
    "shorten",
    "told_apart",
]

LONGEST = 120
"""Columns that a block's name may take in a sentence."""


def number(value: float, digits: int = 2) -> str:
    """Return ``0.33``, ``3.2e-09``, ``0``, ``inf``, or ``–`` for an unknown number."""
    if math.isnan(value):
        return "–"
    if value == 0 or math.isinf(value):
        return f"{value + 0.0:g}"  # + 0.0 takes the sign off a negative zero.
    if 1e-2 <= abs(value) < 1e4:
        return f"{float(f'{value:.{digits}g}'):g}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{exponent}"


def ratio(value: float, error: float) -> str:
    """Return ``3.2e-09 ± 1e-09``; the error is left out where it is unknown or 0."""
    known = not math.isnan(value) and error > 0
    return f"{number(value)} ± {number(error, 1)}" if known else number(value)


def shape(axes: tuple[int, ...]) -> str:
    """Return ``(20, 10)``, ``(3,)``, ``()``."""
    return f"({', '.join(str(n) for n in axes)}{',' * (len(axes) == 1)})"


def told_apart(a: float, b: float) -> tuple[str, str]:
    """Write two numbers with as many digits as it takes to see that they differ, at least three."""
    for digits in range(3, 18):
        pair = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if pair[0] != pair[1]:
            return pair
    return f"{a:.6g}", f"{b:.6g}"


def count(n: int, what: str) -> str:
    """Return ``"1 block"``, ``"6 blocks"``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def block_name(text: str, room: int) -> str:
    """Return a block's name as it is shown: printable, never empty, its middle left out if long."""
    return shorten(printable(text) or "''", room)


def printable(text: str) -> str:
    """Return ``text`` with whatever does not print (control characters, newlines) escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def columns(text: str) -> int:
    """Return how many terminal columns ``text`` takes, never less than its length."""
    if text.isascii():
        return len(text)
    return len(text) + sum(unicodedata.east_asian_width(c) in "WF" for c in text)


def fit(text: str, room: int) -> int:
    """Return how many characters from the start of ``text`` fit in ``room`` columns."""
    used = 0
    for i, character in enumerate(text):
        used += columns(character)
        if used > room:
            return i
    return len(text)


def shorten(text: str, room: int) -> str:
    """Return ``text``, its middle replaced by ``…`` where it takes more than ``room`` columns."""
    if fit(text, room) == len(text):
        return text
    tail = fit(text[::-1], (room - 1) // 2)
    head = fit(text, room - 1 - (room - 1) // 2)
    return f"{text[:head]}…{text[len(text) - tail :]}"
