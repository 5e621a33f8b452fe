"""Numbers, names and widths as a report shows them.

Everything that came from the user (names, sentences that quote names) passes through
``printable``, so that no control character reaches a terminal.  The marks used (``±``, ``…``,
``–``) exist in every Western code page.
"""

from __future__ import annotations

import itertools
import math
import operator
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import IO

__all__ = [
    "LONGEST_NAME",
    "block_name",
    "block_names",
    "columns",
    "count",
    "fenced",
    "fit",
    "gradient_name",
    "has_colour",
    "number",
    "printable",
    "ratio",
    "shape",
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


def gradient_name(name: str) -> str:
    """Return how a user calls the gradient of a block: ``"dW1"``, ``"layer1/dW"``."""
    head, slash, tail = name.rpartition("/")
    return block_name(f"{head}{slash}d{tail}", LONGEST_NAME)


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


def fenced(text: str, mark: str, language: str = "") -> str:
    """Return ``text`` as a block of code in Markdown, whose fence is longer than any inside."""
    longest = max(map(len, re.findall(f"{mark}+", text)), default=0)
    fence = mark * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


PIECES = re.compile(r"\d+|[^\W\d_]+|[\W_]")
"""Numbers, words, and single marks between them."""


def block_names(names: Iterable[str], room: int) -> dict[str, str]:
    """Return how each name is shown in at most ``room`` columns; no two names are shown alike.

    Args:
        names: Names of all blocks among which a reader must find one.
        room: Columns for each, at least 12.

    Example:
        >>> from gradhook.report.format import block_names
        >>> names = [f"encoder/block_{i}/attention/output/weight" for i in (3, 4)]
        >>> list(block_names(names, 24).values())
        ['encoder…_3/…weight', 'encoder…_4/…weight']
    """
    names = list(dict.fromkeys(names))
    shown = {name: block_name(name, room) for name in names}
    if len(set(shown.values())) == len(names):
        return shown
    builds: dict[int, dict[str, list[str]]] = {}
    for name in names:
        text = printable(name)
        if columns(text) > room:
            pieces = PIECES.findall(text)
            builds.setdefault(len(pieces), {})[name] = pieces
    for build in builds.values():
        differs = [len(set(column)) > 1 for column in zip(*build.values(), strict=True)]
        # How many pieces away each one is from the nearest that differs, or from beyond an end.
        stops = [-1, *itertools.compress(itertools.count(), differs), len(differs)]
        away = [min(abs(i - stop) for stop in stops) for i in range(len(differs))]
        for name, pieces in build.items():
            shown[name] = _cut(pieces, away, room) or shown[name]
    return _numbered(shown, room)


def _cut(pieces: Sequence[str], away: Sequence[int], room: int) -> str:
    """Return the pieces that differ, with the widest surroundings that fit; empty if none do."""
    found = ""
    for reach in range(len(pieces)):
        seen = [(n <= reach, piece) for n, piece in zip(away, pieces, strict=True)]
        runs = itertools.groupby(seen, operator.itemgetter(0))
        texts = [(kept, "".join(piece for _, piece in run)) for kept, run in runs]
        cut = "".join(text if kept or len(text) == 1 else "…" for kept, text in texts)
        if columns(cut) > room:
            break
        found = cut
    return found


def _numbered(shown: dict[str, str], room: int) -> dict[str, str]:
    """Return the same with a number at the end of those that are still alike."""
    times = Counter(shown.values())
    taken = set(times)
    for name, text in shown.items():
        if times[text] > 1:
            number = 1
            while (marked := f"{block_name(name, room - 1 - len(str(number)))}#{number}") in taken:
                number += 1
            taken.add(marked)
            shown[name] = marked
    return shown


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
