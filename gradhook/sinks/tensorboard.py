"""Reports in TensorBoard: curves of the ratios, the report as text, charts, histograms.

| page | tag | what |
|---|---|---|
| scalars | ``gradcheck/ratio``, ``gradcheck/<block>`` | log10 of the ratio; NaN: not judged |
| scalars | ``gradcheck_bands/…`` | log10 of the thresholds |
| scalars | ``gradcheck_detail/…`` | ratio, its error, verdict by severity, kinks, evaluations … |
| custom scalars | | a margin chart per block: its curve against the band in which it passes |
| histograms | ``gradcheck_elements/<block>`` | log10 of each relative error, where measured |
| text | ``gradcheck_report/text`` | the report as tables, with causes |

A run is a folder of its own, ``gradcheck-<time>-<pid>``, made at the first report.  Each report is
written out at once, as one record, and stays if the process is killed right after.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any, Protocol

from gradhook.errors import OptionError
from gradhook.report import Report
from gradhook.sinks import _events
from gradhook.sinks._files import append, as_path, claim, create_file, run_stamp
from gradhook.sinks._markdown import markdown
from gradhook.sinks._scalars import BANDS, MAIN, scalars
from gradhook.sinks._tags import BlockTags

__all__ = ["ScalarWriter", "TensorBoard"]

TEXT = "gradcheck_report/text"
"""Tag of the report as text; in a group of its own because a block may have any name."""

ELEMENTS = "gradcheck_elements"
"""Group of the histograms."""

DESCRIPTIONS = {
    MAIN: (
        "log10 of ‖a − n‖ / (‖a‖ + ‖n‖), *a* the analytic and *n* the numerical gradient. "
        "NaN: untested, inconclusive, or judged only jointly with other blocks."
    ),
    BANDS: "log10 of the ratios between which a check passes (floor to warn), warns (warn to fail) "
    "and fails (above).",
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
        self._logdir: str | None = None
        if writer is not None:
            _check_writer(writer, run_name)
        else:
            self._logdir = as_path(logdir, "logdir")
            _check_run_name(run_name)
            _check_installed()
        self._writer = writer
        self._run_name = run_name
        self._file: str | None = None
        self._tags = BlockTags()
        self._known: set[str] = set()
        self._next_step = 0

    @property
    def run_folder(self) -> str | None:
        """Path of the run's folder; ``None`` before the first report, and with a writer."""
        return None if self._file is None else os.path.dirname(self._file)

    def write(self, report: Report) -> None:
        """Write one report, at its step or, where it has none, at the one after the last.

        Raises:
            OSError: The folder or file cannot be made or written.
        """
        step = self._next_step if report.step is None else int(report.step)
        self._next_step = step + 1
        tags = self._tags.of(report.blocks)
        if self._writer is not None:
            _write_to(self._writer, report, tags, step)
            return
        if self._file is None:
            self._file = self._open()
        append(self._file, self._summary(report, tags).record(step))

    def close(self) -> None:
        """Do nothing: no file is held open, and a writer is its owner's to close."""

    def _summary(self, report: Report, tags: dict[str, str]) -> _events.Summary:
        """Return all that is shown of a report; descriptions and layout only with new tags."""
        summary = _events.Summary()
        values = scalars(report, tags)
        for tag, value in values.items():
            description = "" if tag in self._known else DESCRIPTIONS.get(tag.split("/")[0], "")
            summary.scalar(tag, value, description)
        summary.text(TEXT, markdown(report))
        for name, block in report.blocks.items():
            if block.relative_errors is not None:
                summary.log_histogram(f"{ELEMENTS}/{tags[name]}", block.relative_errors)
        if not self._known.issuperset(values):
            self._known.update(values)
            summary.margin_charts(["ratio", *self._tags.all])
        return summary

    def _open(self) -> str:
        """Make the run's folder and in it an event file without reports; return its path."""
        assert self._logdir is not None
        folder = claim(self._logdir, self._run_name or run_stamp(), "", os.mkdir)
        path = claim(folder, _events.event_file_name(), "", create_file)
        append(path, _events.first_record())
        return path


def _check_writer(writer: object, run_name: str | None) -> None:
    if not callable(getattr(writer, "add_scalar", None)):
        raise OptionError(
            "writer must have a method add_scalar(tag, value, step), "
            f"{type(writer).__name__} has none"
        )
    if run_name is not None:
        raise OptionError("run_name names a folder in logdir; a writer has its own")


def _check_run_name(run_name: object) -> None:
    if run_name is None:
        return
    bad = not isinstance(run_name, str) or run_name in ("", ".", "..")
    if bad or set(str(run_name)) & set("/\\\0"):
        raise OptionError(f"run_name must be the name of one folder, got {run_name!r}")


def _check_installed() -> None:
    # Looked for, not imported: that is left to the first report.
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError("logdir needs the tensorboard package: pip install tensorboard")


def _write_to(writer: Any, report: Report, tags: dict[str, str], step: int) -> None:
    """Write a report through the user's writer."""
    for tag, value in scalars(report, tags).items():
        writer.add_scalar(tag, value, step)
    if callable(getattr(writer, "add_text", None)):
        writer.add_text(TEXT, markdown(report), step)
    if callable(getattr(writer, "flush", None)):
        writer.flush()
