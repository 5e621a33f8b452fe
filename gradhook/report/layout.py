"""Where things stand in a text: wrapped lines, and columns that line up on a terminal.

Widths are those of a terminal, where an East Asian wide character takes two columns, and a verdict
may carry colour codes, which take none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gradhook._types import Verdict
from gradhook.report import wording as say
from gradhook.report.format import block_names, columns, fit, number, shape, shorten

if TYPE_CHECKING:
    from gradhook.report import Report

__all__ = ["NARROWEST", "paint", "table", "wrap"]

NARROWEST = 72
"""Columns that the table needs when each of its cells is as long as it may be."""

GAP = "  "

CELL_WIDTHS = {"shape": 16, "ratio": 19, "textbook": 8}
"""Columns that a cell may take; the block's name gets what is left."""

ANSI = {
    Verdict.PASS: "32",
    Verdict.UNTESTED: "90",
    Verdict.KINK: "35",
    Verdict.WARN: "33",
    Verdict.INCONCLUSIVE: "36",
    Verdict.FAIL: "1;31",
}
"""Select Graphic Rendition parameters (ECMA-48) of each verdict."""


def paint(verdict: Verdict, colour: bool) -> str:
    """Return a verdict's name, with the codes of its colour if asked for."""
    return f"\x1b[{ANSI[verdict]}m{verdict}\x1b[0m" if colour else str(verdict)


def table(
    report: Report,
    beside: Mapping[str, Sequence[str]],
    width: int,
    *,
    colour: bool,
    titles: Mapping[str, str],
) -> list[str]:
    """Return the lines of the table of blocks.

    Args:
        report: The report.
        beside: What is said of each block: beside its line where one sentence fits there, else
            below.
        width: Columns to use.
        colour: Whether verdicts carry colour codes.
        titles: The columns by name, with what stands above each; nothing stands above where all
            are empty.
    """
    blocks = [row.block for row in say.rows(report)]
    if not blocks:
        return []
    cells = {
        "verdict": [str(block.verdict) for block in blocks],
        "block": [block.name for block in blocks],
        "shape": [shape(block.shape) for block in blocks],
        "ratio": [say.ratio_cell(block) for block in blocks],
        "textbook": [number(block.textbook_ratio) for block in blocks],
    }
    cells = {name: cells[name] for name in titles}
    for name in cells.keys() & CELL_WIDTHS.keys():
        cells[name] = [shorten(cell, CELL_WIDTHS[name]) for cell in cells[name]]
    last = list(cells)[-1]
    breadths = {name: max(map(columns, [titles[name], *cells[name]])) for name in cells}
    others = sum(b + len(GAP) for name, b in breadths.items() if name != "block")
    names = block_names(report.blocks, width - others)
    cells["block"] = [names[name] for name in cells["block"]]
    breadths["block"] = max(map(columns, [titles["block"], *cells["block"]]))
    # What stands above the last column may reach over what is said beside it.
    breadths[last] = max(map(columns, cells[last]))

    def row(texts: Sequence[str]) -> str:
        padded = (t + " " * (n - columns(t)) for t, n in zip(texts, breadths.values(), strict=True))
        return GAP.join(padded)

    lines = [row(list(titles.values())).rstrip()] if any(titles.values()) else []
    below = " " * breadths["verdict"] + GAP
    for i, block in enumerate(blocks):
        verdict, *rest = [column[i] for column in cells.values()]
        plain = row([verdict, *rest])
        said = list(beside.get(block.name, ()))
        if len(said) == 1 and columns(plain + GAP + said[0]) <= width:
            plain, said = plain + GAP + said[0], []
        lines.append(paint(block.verdict, colour) + plain.rstrip()[len(verdict) :])
        for sentence in said:
            lines += wrap(below, sentence, width, below + "  ")
    hidden = say.folded(report)
    return lines + ([say.fold_sentence(hidden)] if hidden else [])


def wrap(first: str, text: str, width: int, rest: str) -> Iterator[str]:
    """Yield lines of at most ``width`` columns, opened by ``first`` and then by ``rest``.

    ``textwrap`` counts characters, too few where they are wide, and squeezes the blanks of a call.
    """
    indent = first
    while text:
        room = width - columns(indent)
        end = fit(text[: room + 1], room)
        if end < len(text):
            blank = text.rfind(" ", 1, end + 1)
            end = blank if blank > 0 else end
        yield (indent + text[:end]).rstrip()
        text = text[end:].removeprefix(" ")
        indent = rest
