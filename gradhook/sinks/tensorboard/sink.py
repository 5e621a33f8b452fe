"""Reports in TensorBoard: curves of the ratios with their limits, the report as text, pictures.

| page | tag | what |
|---|---|---|
| scalars | ``gradcheck/0 wrong blocks`` | how many blocks are wrong: 0 is good |
| scalars | ``gradcheck/ratio``, ``gradcheck/<block>`` | log10 of the ratio; NaN: not judged |
| scalars | ``gradcheck/<block>`` of two more runs | the limits "wrong above", "right below" |
| custom scalars | | the same, blocks that were wrong first |
| text | ``gradcheck_report/text`` | the cause in a sentence, and the report |
| images | ``gradcheck_where/<block>`` | where a wrong 2-D block is wrong, where that was found |
| histograms | ``gradcheck_elements/<block>`` | log10 of each relative error, where measured |

A run is a folder of its own, ``gradcheck 11-29 20.46.07``, made at the first report.  Each report
is written out at once, as one record, and stays if the process is killed right after.  Beside the
events lie the reports themselves, as JSON lines, for ``python -m gradhook report``.

A chart's axis fits what it shows: alone, the rounding errors of a perfect gradient fill the chart
and look like a rise.  Between two limits that stand still they lie flat, and on the right side.
The limits' runs belong to the folder and not to a run in it, so that five runs are seven lines and
not fifteen; every process adds a file to them.

The report as text stands in a fenced block, where Markdown knows nothing but the fence's end.  The
sentence above it quotes names and code of the user's: its inline marks are replaced by HTML
entities, and it begins with a mark of ours, so that it is no heading, list or block.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection
from typing import Any

import numpy as np

from gradhook._types import MISMATCH, Array, Tolerance
from gradhook.errors import OptionError
from gradhook.report import BlockReport, Report
from gradhook.report.format import fenced, shorten
from gradhook.report.story import story
from gradhook.sinks.files import JsonLines, append
from gradhook.sinks.metrics import MAIN, RATIO, WRONG, block_tags, scalars
from gradhook.sinks.tensorboard.event_file import EventFile, Summary, new_file
from gradhook.sinks.tensorboard.heat_map import png

__all__ = ["TensorBoard", "markdown"]

TEXT, ELEMENTS, WHERE = "gradcheck_report/text", "gradcheck_elements", "gradcheck_where"
"""Tag of the report as text, in a group of its own because a block may have any name; groups of the
histograms and of the pictures."""

LINES = "reports.jsonl"
"""Name of the file beside the events that holds the reports themselves."""

GOOD = "How many blocks have a wrong gradient: 0 is good. A triangle: the check could not tell."
"""What is shown with the number of wrong blocks, as Markdown."""

LOGARITHMS = "log10 of |a − n| / max(|a|, |n|) of each element, *a* analytic, *n* numerical."
"""What is shown with a histogram."""

COLOUR_KEY = (
    "Relative error of each element, rows downwards: light blue 1e-8, blue 1e-6, yellow 1e-4, "
    "orange 1e-2, dark red 1. Grey: not measured, or too small to be told from 0. A frame marks "
    "the element that is furthest off."
)
"""What is shown with a picture."""

LONGEST_SENTENCE = 2000
"""Characters of the sentence above the text that are shown."""

# In order: entities, tags, escapes, code, emphasis (an underscore after a letter or digit opens
# none, and what is not opened is not closed), the bracket between two parts of a link.
ACTIVE = re.compile(r"[&<>|\\`*]|(?<![^\W_])_|\](?=[(\[:])")
"""Characters that mean something to Markdown or HTML within a line."""


class TensorBoard:
    """Write each report for TensorBoard, on its own or through a writer of yours.

    Args:
        logdir: Folder that TensorBoard shows; made if need be, at the first report.  A relative
            path counts from the working directory at construction.
        writer: Instead of ``logdir``: anything with ``add_scalar(tag, value, step)``, such as a
            ``SummaryWriter`` that is open already.  It gets the scalars, and the text where it has
            ``add_text(tag, text, step)``, but neither limits nor pictures; it is flushed after each
            report where it has ``flush``, and never closed.
        run_name: Name of the run's folder inside ``logdir``.  Default ``gradcheck 11-29 20.46.07``,
            month, day and time.  Where it exists, ``-2`` follows: no run writes to the folder of
            another.

    Raises:
        OptionError: Both or neither of ``logdir`` and ``writer`` were given, or one of them cannot
            be what it should; ``run_name`` is not the name of one folder, or came with ``writer``.
        ImportError: ``logdir`` was given and the ``tensorboard`` package is not installed.

    Example:
        >>> import os, tempfile
        >>> from gradhook import Report, Verdict
        >>> from gradhook.sinks import TensorBoard
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sink = TensorBoard(folder, run_name="mlp")
        ...     sink.write(Report(Verdict.PASS, True, {}, ratio=3e-9, step=100))
        ...     os.listdir(folder)
        ['mlp']
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str] | None = None,
        *,
        writer: Any = None,
        run_name: str | None = None,
    ) -> None:
        if (logdir is None) == (writer is None):
            got = "neither" if logdir is None else "both"
            raise OptionError(f"give either logdir or writer, got {got}")
        if writer is not None and not callable(getattr(writer, "add_scalar", None)):
            raise OptionError(
                "writer must have a method add_scalar(tag, value, step), "
                f"{type(writer).__name__} has none"
            )
        if writer is not None and run_name is not None:
            raise OptionError("run_name names a folder in logdir; a writer has its own")
        self._writer = writer
        self._events = EventFile(logdir, run_name=run_name) if writer is None else None
        self._limits: dict[str, str] = {}
        # The tags of all blocks so far, and whether each was ever found wrong.
        self._wrong: dict[str, bool] = {}
        self._next_step = 0

    @property
    def run_folder(self) -> str | None:
        """Path of the run's folder; ``None`` before the first report, and with a writer."""
        return None if self._events is None else self._events.folder

    def write(self, report: Report) -> None:
        """Write one report, at its step or, where it has none, at the one after the last.

        Raises:
            OSError: The folder or file cannot be made or written.
        """
        step = self._next_step if report.step is None else int(report.step)
        self._next_step = step + 1
        if self._events is None:
            writer = self._writer
            for tag, value in scalars(report).items():
                writer.add_scalar(tag, value, step)
            if callable(getattr(writer, "add_text", None)):
                writer.add_text(TEXT, markdown(report), step)
            if callable(getattr(writer, "flush", None)):
                writer.flush()
            return
        tags = block_tags(report.blocks)
        self._events._add(self._summary(report, tags), step)
        folder = str(self._events.folder)
        JsonLines(os.path.join(folder, LINES)).write(report)
        if tags:
            self._draw_limits(os.path.dirname(folder), tags.values(), report.tolerance, step)

    def close(self) -> None:
        """Do nothing: no file is held open, and a writer is its owner's to close."""

    def _summary(self, report: Report, tags: dict[str, str]) -> Summary:
        """Return all that is shown of a report; the layout only where it is new."""
        summary, before = Summary(), dict(self._wrong)
        for tag, value in scalars(report).items():
            summary.scalar(tag, value, *_said_of(tag, report.tolerance))
        summary.text(TEXT, markdown(report))
        for name, block in report.blocks.items():
            title, wrong = tags[name], block.verdict in MISMATCH
            self._wrong[title] = wrong or before.get(title, False)
            if block.relative_errors is not None:
                tag = f"{ELEMENTS}/{title}"
                head = f"{title}: relative errors"
                summary.log_histogram(tag, block.relative_errors, head, LOGARITHMS)
            if wrong:
                errors = _errors(block)
                if errors is not None and errors.ndim == 2 and errors.size:
                    tag = f"{WHERE}/{title}"
                    worst = block.worst.index if block.worst else None
                    rows, columns = errors.shape
                    head = f"{title}, {rows} rows, {columns} columns: where it is wrong"
                    summary.image(tag, png(errors, worst), head, COLOUR_KEY)
        if self._wrong != before:
            summary.custom_charts(self._wrong)
        return summary

    def _draw_limits(
        self, folder: str, tags: Collection[str], tolerance: Tolerance, step: int
    ) -> None:
        """Draw the lines "wrong above" and "right below" on to a step, in the cards of blocks.

        Limits other than the usual ones are runs of their own, named by their logarithm too.
        """
        usual = Tolerance()
        for name, limit, other in (
            ("wrong above", tolerance.fail, usual.fail),
            ("right below", tolerance.warn, usual.warn),
        ):
            value = math.log10(limit)
            run = name if limit == other else f"{name} {value:.3g}"
            # Whoever tidies up the folder may take away what those still going share.
            new = not os.path.exists(self._limits.get(run, ""))
            if new:
                self._limits[run] = new_file(os.path.join(folder, run))
            summary = Summary()
            for tag in (f"{MAIN}/{tag}" for tag in tags):
                summary.scalar(tag, value, *_said_of(tag, tolerance))
            # Two points make a line, in a run of one check too.
            for each in (step, step + 1) if new else (step,):
                append(self._limits[run], summary.record(each))


def _said_of(tag: str, tolerance: Tolerance) -> tuple[str, str]:
    if tag == WRONG:
        return "wrong blocks: 0 is good", GOOD
    fail, warn = (
        f"{math.log10(limit):.3g}".replace("-", "−") for limit in (tolerance.fail, tolerance.warn)
    )
    limits = f"wrong above {fail}, right below {warn}"
    name = "all blocks" if tag == RATIO else tag.removeprefix(f"{MAIN}/")
    return f"{name}: {limits}", (
        f"log10 of the ratio; {limits}. The ratio is ‖a − n‖ / (‖a‖ + ‖n‖), *a* the analytic and "
        "*n* the numerical gradient. A triangle, or no point: not judged here."
    )


def _errors(block: BlockReport) -> Array | None:
    """Return the relative errors of a wrong block, those of its wrong parts alone where located."""
    if block.relative_errors is not None or not block.wrong_parts:
        return block.relative_errors
    errors = np.full(block.shape, np.nan)
    for part, error in block.wrong_parts:
        errors[part] = error
    return errors


def markdown(report: Report) -> str:
    """Return the report as a page; what is wrong stands above it, in one sentence."""
    # On one line, so that no white space takes the marks' meaning.
    said = [shorten(" ".join(first.split()), LONGEST_SENTENCE) for first, *_ in story(report)[:1]]
    shown = [ACTIVE.sub(lambda match: f"&#{ord(match[0])};", sentence) for sentence in said]
    return "\n\n".join([*(f"**{each}**" for each in shown), fenced(str(report), "~") + "\n"])
