"""Reports in TensorBoard: curves of the ratios, the report as text, charts, histograms.

| page | tag | what |
|---|---|---|
| scalars | ``gradcheck/ratio``, ``gradcheck/<block>`` | log10 of the ratio; NaN: not judged |
| scalars | ``gradcheck_bands/…`` | log10 of the thresholds |
| scalars | ``gradcheck_detail/…`` | ratio, its error, verdict by severity, kinks, evaluations … |
| custom scalars | | a margin chart per block: its curve against the band in which it passes |
| histograms | ``gradcheck_elements/<block>`` | log10 of each relative error, where measured |
| images | ``gradcheck_where/<block>`` | relative errors of a wrong 2-D block, where measured |
| text | ``gradcheck_report/text`` | the report as tables, with causes |

A run is a folder of its own, ``gradcheck-<time>-<pid>``, made at the first report.  Each report is
written out at once, as one record, and stays if the process is killed right after.  Beside the
events lie the reports themselves, as JSON lines, for ``python -m gradhook report``.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

from gradhook._types import MISMATCH, Verdict
from gradhook.errors import OptionError
from gradhook.report import Report
from gradhook.sinks.json_lines import JsonLines
from gradhook.sinks.tensorboard import events as _events
from gradhook.sinks.tensorboard.event_file import EventFile
from gradhook.sinks.tensorboard.heat_map import png
from gradhook.sinks.tensorboard.layout import Heading, headings
from gradhook.sinks.tensorboard.markdown import markdown
from gradhook.sinks.tensorboard.scalars import BANDS, MAIN, scalars
from gradhook.sinks.tensorboard.tags import BlockTags

__all__ = ["ScalarWriter", "TensorBoard"]

TEXT = "gradcheck_report/text"
"""Tag of the report as text; in a group of its own because a block may have any name."""

ELEMENTS = "gradcheck_elements"
"""Group of the histograms."""

WHERE = "gradcheck_where"
"""Group of the pictures."""

LINES = "reports.jsonl"
"""Name of the file beside the events that holds the reports themselves."""

DESCRIPTIONS = {
    MAIN: (
        "log10 of ‖a − n‖ / (‖a‖ + ‖n‖), *a* the analytic and *n* the numerical gradient. "
        "NaN: untested, inconclusive, or judged only jointly with other blocks."
    ),
    BANDS: "log10 of the ratios between which a check passes (floor to warn), warns (warn to fail) "
    "and fails (above).",
    ELEMENTS: "log10 of |a − n| / max(|a|, |n|) of each element.",
    WHERE: (
        "|a − n| / max(|a|, |n|) of each element, rows downwards. A frame marks the element with "
        "the largest |a − n|. Grey: neither *a* nor *n* can be told from 0."
    ),
}
"""What is shown beside the curves of a group, as Markdown."""


class ScalarWriter(Protocol):
    """What the user's own writer must do; ``add_text`` and ``flush`` are used where it has them."""

    def add_scalar(self, tag: str, value: float, step: int, /) -> Any:
        """Record one number."""


class TensorBoard:
    """Write each report for TensorBoard, on its own or through a writer of yours.

    Args:
        logdir: Folder that TensorBoard shows; made if need be, at the first report.  A relative
            path counts from the working directory at construction.
        writer: Instead of ``logdir``: anything with ``add_scalar(tag, value, step)``, such as a
            ``SummaryWriter`` that is open already.  It gets the scalars, and the text where it has
            ``add_text(tag, text, step)``; it is flushed after each report where it has ``flush``,
            and never closed.
        run_name: Name of the run's folder inside ``logdir``.  Default ``gradcheck-<time>-<pid>``.
            Where it exists, a number is added: no run writes to the folder of another.

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
        writer: ScalarWriter | None = None,
        run_name: str | None = None,
    ) -> None:
        if (logdir is None) == (writer is None):
            got = "neither" if logdir is None else "both"
            raise OptionError(f"give either logdir or writer, got {got}")
        if writer is not None:
            _check_writer(writer, run_name)
        self._writer = writer
        self._events = EventFile(logdir, run_name=run_name) if writer is None else None
        self._lines: JsonLines | None = None
        self._tags = BlockTags()
        self._known: set[str] = set()
        self._since: dict[str, tuple[Verdict, int]] = {}
        self._wrong: set[str] = set()
        self._headings: list[Heading] = []
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
        tags = self._tags.of(report.blocks)
        page = markdown(report, self._follow(report, step))
        if self._events is None:
            _write_to(self._writer, report, tags, page, step)
        else:
            self._events._add(self._summary(report, tags, page), step)
            if self._lines is None:
                self._lines = JsonLines(os.path.join(str(self._events.folder), LINES))
            self._lines.write(report)

    def close(self) -> None:
        """Do nothing: no file is held open, and a writer is its owner's to close."""

    def _follow(self, report: Report, step: int) -> dict[str, int]:
        """Return the step since which each block has had its verdict."""
        for name, block in report.blocks.items():
            if name not in self._since or self._since[name][0] is not block.verdict:
                self._since[name] = block.verdict, step
        return {name: self._since[name][1] for name in report.blocks}

    def _summary(self, report: Report, tags: dict[str, str], page: str) -> _events.Summary:
        """Return all that is shown of a report; descriptions and layout only where they are new."""
        summary = _events.Summary()
        for tag, value in scalars(report, tags).items():
            summary.scalar(tag, value, self._description(tag))
        summary.text(TEXT, page)
        for name, block in report.blocks.items():
            if block.verdict in MISMATCH:
                self._wrong.add(tags[name])
            errors = block.relative_errors
            if errors is None:
                continue
            tag = f"{ELEMENTS}/{tags[name]}"
            summary.log_histogram(tag, errors, self._description(tag))
            if block.verdict in MISMATCH and errors.ndim == 2 and errors.size:
                tag = f"{WHERE}/{tags[name]}"
                worst = block.worst.index if block.worst else None
                summary.image(tag, png(errors, worst), self._description(tag))
        layout = headings(self._tags.all, self._wrong)
        if layout != self._headings:
            self._headings = layout
            summary.custom_charts(layout)
        return summary

    def _description(self, tag: str) -> str:
        """Return what is shown beside a curve or picture, once."""
        if tag in self._known:
            return ""
        self._known.add(tag)
        return DESCRIPTIONS.get(tag.split("/")[0], "")


def _check_writer(writer: object, run_name: str | None) -> None:
    if not callable(getattr(writer, "add_scalar", None)):
        raise OptionError(
            "writer must have a method add_scalar(tag, value, step), "
            f"{type(writer).__name__} has none"
        )
    if run_name is not None:
        raise OptionError("run_name names a folder in logdir; a writer has its own")


def _write_to(writer: Any, report: Report, tags: dict[str, str], page: str, step: int) -> None:
    """Write a report through the user's writer."""
    for tag, value in scalars(report, tags).items():
        writer.add_scalar(tag, value, step)
    if callable(getattr(writer, "add_text", None)):
        writer.add_text(TEXT, page, step)
    if callable(getattr(writer, "flush", None)):
        writer.flush()
