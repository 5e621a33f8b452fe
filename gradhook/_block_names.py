"""Names of blocks made to fit, in such a way that names that differ stay different.

Long names are alike at both ends: ``encoder/block_3/attention/output/weight`` has the prefix of its
network and the suffix of its kind, and what tells it from its neighbours stands in the middle,
which is what one name alone would leave out.  Names of one build are therefore laid side by side,
piece by piece; the pieces in which they differ are kept whole, and of the rest as much as there is
room for.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from gradhook._format import block_name, columns, printable

__all__ = ["block_names"]

PIECES = re.compile(r"\d+|[^\W\d_]+|[\W_]")
"""Numbers, words, and single marks between them."""


def block_names(names: Iterable[str], room: int) -> dict[str, str]:
    """Return how each name is shown in at most ``room`` columns; no two names are shown alike.

    Args:
        names: Names of all blocks among which a reader must find one.
        room: Columns for each, at least 12.

    Example:
        >>> from gradhook._block_names import block_names
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
