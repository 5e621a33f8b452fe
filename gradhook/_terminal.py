"""What a stream can show: how many columns it has, and whether it has colours.

Colours are for people: they are used where the stream is a terminal that knows them, unless the
environment variable ``NO_COLOR`` is set to anything (https://no-color.org).
"""

from __future__ import annotations

import os
import shutil
from typing import IO

__all__ = ["has_colour", "width"]

NARROW, WIDE = 80, 120
"""Columns used where nothing is known, and at most."""


def width(stream: IO[str]) -> int:
    """Return how many columns to use: those of the terminal, at most 120; 80 where it is none.

    The environment variable ``COLUMNS`` counts more, as everywhere in Python.
    """
    columns = shutil.get_terminal_size((NARROW, 24)).columns if _is_terminal(stream) else NARROW
    return min(columns, WIDE)


def has_colour(stream: IO[str]) -> bool:
    """Return whether colour codes are understood and wanted."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    # Old consoles of Windows print the codes as they are; the new ones say who they are.
    known = os.name != "nt" or "WT_SESSION" in os.environ or "TERM" in os.environ
    return known and _is_terminal(stream)


def _is_terminal(stream: IO[str]) -> bool:
    return bool(getattr(stream, "isatty", bool)())
