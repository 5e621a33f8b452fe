"""Numbers, names and widths as a report shows them.

Everything that came from the user (names, sentences that quote names) passes through
``printable``, so that no control character reaches a terminal.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from typing import IO

__all__ = [
    "LONGEST_NAME",
    "block_name",
    "block_names",
    "count",
    "fenced",
    "gradient_name",
    "has_colour",
    "number",
    "printable",
    "ratio",
    "shorten",
    "told_apart",
    "width",
]

LONGEST_NAME = 120
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


def told_apart(a: float, b: float) -> tuple[str, str]:
    """Write two numbers with as many digits as it takes to see by how much they differ.

    At least three, and so many that what they differ by is right to a half.
    """
    apart = a - b
    for digits in range(3, 18):
        pair = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if pair[0] != pair[1] and abs(float(pair[0]) - float(pair[1]) - apart) <= abs(apart) / 2:
            return pair
    return f"{a:.6g}", f"{b:.6g}"


def count(n: int, what: str) -> str:
    """Return ``"1 block"``, ``"6 blocks"``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def block_name(text: str, room: int) -> str:
    """Return a block's name as it is shown: printable, never empty, its middle left out if long."""
    return shorten(printable(text) or "''", room)


def gradient_name(name: str) -> str:
    """Return how a user calls the gradient of a block: ``"dW1"``, ``"layer1/dW"``."""
    head, slash, tail = name.rpartition("/")
    return block_name(f"{head}{slash}d{tail}", LONGEST_NAME)


def printable(text: str) -> str:
    """Return ``text`` with whatever does not print (control characters, newlines) escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shorten(text: str, room: int) -> str:
    """Return ``text``, its middle replaced by ``…`` where it is longer than ``room``."""
    if len(text) <= room:
        return text
    tail = (room - 1) // 2
    return f"{text[: room - 1 - tail]}…{text[len(text) - tail :]}"


def fenced(text: str, mark: str, language: str = "") -> str:
    """Return ``text`` as a block of code in Markdown, whose fence is longer than any inside."""
    longest = max(map(len, re.findall(f"{mark}+", text)), default=0)
    fence = mark * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def block_names(names: Iterable[str], room: int) -> dict[str, str]:
    """Return how each name is shown in at most ``room`` columns, 12 or more; no two alike."""
    names = list(dict.fromkeys(names))
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(block_name(name, room), []).append(name)
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for cut, group in alike.items():
        # Names that are cut to the same text leave out what they begin with alike instead.
        begins = len(os.path.commonprefix(group))  # noqa: RUF071  # of characters is what is meant here, not of folders
        for name in group:
            text = cut if len(group) == 1 else block_name(f"…{name[begins:]}", room)
            number = 1
            while text in taken:
                number += 1
                text = f"{block_name(name, room - 1 - len(str(number)))}#{number}"
            taken.add(text)
            shown[name] = text
    return {name: shown[name] for name in names}


NARROW, WIDEST = 80, 120
"""Columns used where nothing is known, and at most."""


def width(stream: IO[str]) -> int:
    """Return how many columns to use: those of the terminal, at most 120; 80 where it is none.

    The environment variable ``COLUMNS`` counts more, as everywhere in Python.
    """
    import shutil  # which brings every kind of compression along

    columns = shutil.get_terminal_size((NARROW, 24)).columns if _is_terminal(stream) else NARROW
    return min(columns, WIDEST)


def has_colour(stream: IO[str]) -> bool:
    """Return whether colour codes are understood and wanted."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    # Old consoles of Windows print the codes as they are; the new ones say who they are.
    known = os.name != "nt" or "WT_SESSION" in os.environ or "TERM" in os.environ
    return known and _is_terminal(stream)


def _is_terminal(stream: IO[str]) -> bool:
    return bool(getattr(stream, "isatty", bool)())
