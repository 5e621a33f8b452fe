"""Numbers and text for TensorBoard, one file per run.

What TensorBoard's own writers do in a thread of theirs is done here at once: a number is on disk
when ``add_scalar`` returns, stays there when the process is killed, and an error surfaces where it
arises.  Neither TensorFlow nor PyTorch is needed.
"""

from __future__ import annotations

import importlib.util
import os

from gradhook.errors import OptionError
from gradhook.sinks.files import append, as_path, claim, run_stamp
from gradhook.sinks.tensorboard import events as _events

__all__ = ["EventFile"]


class EventFile:
    """A run that TensorBoard shows, to which your own curves can be written.

    Args:
        logdir: Folder that TensorBoard shows; made if need be, at the first number.  A relative
            path counts from the working directory at construction.
        run_name: Name of the run's folder inside ``logdir``.  Default ``gradcheck 11-29 20.46.07``,
            month, day and time.  Where it exists, ``-2`` follows: no run writes to the folder of
            another.

    Raises:
        OptionError: ``logdir`` is no path, or ``run_name`` is not the name of one folder.
        ImportError: The ``tensorboard`` package is not installed.

    Example:
        >>> import os, tempfile
        >>> from gradhook.sinks import EventFile
        >>> with tempfile.TemporaryDirectory() as logdir:
        ...     curves = EventFile(logdir, run_name="mlp")
        ...     for step in (1, 2, 3):
        ...         curves.add_scalar("train/loss", 1 / step, step)
        ...     os.listdir(logdir)
        ['mlp']
    """

    def __init__(
        self, logdir: str | os.PathLike[str] | None, *, run_name: str | None = None
    ) -> None:
        self._logdir = as_path(logdir, "logdir")
        _check_run_name(run_name)
        _check_installed()
        self._run_name = run_name
        self._file: str | None = None

    @property
    def folder(self) -> str | None:
        """Path of the run's folder; ``None`` before anything was written."""
        return None if self._file is None else os.path.dirname(self._file)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Write one number.

        Raises:
            OSError: The folder or file cannot be made or written.
        """
        summary = _events.Summary()
        summary.scalar(tag, float(value))
        self._add(summary, step)

    def add_text(self, tag: str, markdown: str, step: int) -> None:
        """Write a text, shown as Markdown.

        Raises:
            OSError: The folder or file cannot be made or written.
        """
        summary = _events.Summary()
        summary.text(tag, markdown)
        self._add(summary, step)

    def flush(self) -> None:
        """Do nothing: everything is written at once."""

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _add(self, summary: _events.Summary, step: int) -> None:
        """Write all that a summary holds as one record, which a reader sees whole or not at all."""
        if self._file is None:
            self._file = self._open()
        append(self._file, summary.record(int(step)))

    def _open(self) -> str:
        """Make the run's folder and in it an event file without events; return its path."""
        return _events.new_file(claim(self._logdir, self._run_name or run_stamp(), "", os.mkdir))


def _check_run_name(run_name: object) -> None:
    if run_name is None:
        return
    bad = not isinstance(run_name, str) or run_name in ("", ".", "..")
    if bad or set(str(run_name)) & set("/\\\0"):
        raise OptionError(f"run_name must be the name of one folder, got {run_name!r}")


def _check_installed() -> None:
    # Looked for, not imported: that is left to the first event.
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError("logdir needs the tensorboard package: pip install tensorboard")
