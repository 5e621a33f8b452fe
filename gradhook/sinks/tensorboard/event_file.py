"""Event files for TensorBoard: scalars, text, pictures, charts, one file per run.

What TensorBoard's own writers do in a thread of theirs is done here at once: a number is on disk
when ``add_scalar`` returns, stays there when the process is killed, and an error surfaces where it
arises.  Neither TensorFlow nor PyTorch is needed.

Event files hold length-prefixed, checksummed ``Event`` messages.  One report becomes one message,
so a reader sees it whole or not at all.  They are built from the ``tensorboard`` package's own
message classes and ``RecordWriter``, neither of which touches TensorFlow.  ``EventFileWriter`` is
avoided: it writes in a thread of its own, whose errors surface in the training loop, which loses
events of a killed process and hangs after a fork.

Scalars are written as ``simple_value``, the form that every reader of event files understands.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import os
import re
import socket
import struct
import time
import types
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.errors import OptionError
from gradhook.sinks.files import append, as_path, claim, run_stamp
from gradhook.sinks.metrics import FLOOR, MAIN, OVERALL

__all__ = ["EventFile", "Summary", "new_file"]

BINS = 36
"""Histogram bins: half decades from ``FLOOR`` to ``CEILING``, the same for all, so they compare."""

CEILING = 1.0
"""Logarithm of the upper edge; a relative error is at most 2."""

CHARTS_TOGETHER = 12
"""Charts that one heading holds without being hard to read."""

CHARTS = "gradient check, log10 of the ratio; blocks that were wrong first; ▲ not judged"
"""The heading of the custom charts."""


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
        if run_name is not None:
            bad = not isinstance(run_name, str) or run_name in ("", ".", "..")
            if bad or set(str(run_name)) & set("/\\\0"):
                raise OptionError(f"run_name must be the name of one folder, got {run_name!r}")
        # Looked for, not imported: that is left to the first event.
        if importlib.util.find_spec("tensorboard") is None:
            raise ImportError("logdir needs the tensorboard package: pip install tensorboard")
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
        summary = Summary()
        summary.scalar(tag, float(value))
        self._add(summary, step)

    def add_text(self, tag: str, markdown: str, step: int) -> None:
        """Write a text, shown as Markdown.

        Raises:
            OSError: The folder or file cannot be made or written.
        """
        summary = Summary()
        summary.text(tag, markdown)
        self._add(summary, step)

    def flush(self) -> None:
        """Do nothing: everything is written at once."""

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _add(self, summary: Summary, step: int) -> None:
        """Write all that a summary holds as one record, which a reader sees whole or not at all."""
        if self._file is None:
            folder = claim(self._logdir, self._run_name or run_stamp(), folder=True)
            self._file = new_file(folder)
        append(self._file, summary.record(int(step)))


class Summary:
    """The values of one report, gathered and then turned into one record."""

    def __init__(self) -> None:
        self._summary = _tensorboard().Summary()

    def scalar(self, tag: str, value: float, title: str = "", description: str = "") -> None:
        """Add a number; title and description (Markdown) are shown with the curve."""
        metadata = _metadata("scalars", "SCALAR", title, description) if title else None
        self._summary.value.add(tag=tag, simple_value=value, metadata=metadata)

    def text(self, tag: str, markdown: str) -> None:
        """Add a text."""
        self._tensor(tag, markdown.encode(), _metadata("text", "TENSOR"))

    def log_histogram(self, tag: str, relative_errors: Array, title: str, description: str) -> None:
        """Add a histogram of the decimal logarithms of relative errors, NaN left out."""
        errors = np.asarray(relative_errors, dtype=np.float64).ravel()
        errors = np.clip(errors[~np.isnan(errors)], 10.0**FLOOR, 10.0**CEILING)
        counts, edges = np.histogram(np.log10(errors), bins=BINS, range=(FLOOR, CEILING))
        table = np.stack([edges[:-1], edges[1:], counts], axis=1)
        self._tensor(tag, table, _metadata("histograms", "TENSOR", title, description))

    def image(self, tag: str, png: bytes, title: str, description: str) -> None:
        """Add a picture; title and description (Markdown) are shown with it."""
        width, height = struct.unpack(">II", png[16:24])
        picture = _tensorboard().Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=png
        )
        metadata = _metadata("images", "BLOB_SEQUENCE", title, description)
        self._summary.value.add(tag=tag, image=picture, metadata=metadata)

    def custom_charts(self, blocks: Mapping[str, bool]) -> None:
        """Lay out the custom charts: per block, the curves and limits of all runs.

        ``blocks`` says by tag whether a block was ever wrong.  A few share one heading, wrong ones
        first.  Of many, the others stand
        under a second heading, which opens with a click.  The charts are lines and no margin
        charts: five runs' bands on top of each other hide the grid and look like an alarm.
        """
        first, others = ([tag for tag in blocks if blocks[tag] is bad] for bad in (True, False))
        headings = [(CHARTS, [OVERALL, *first, *others])]
        if len(blocks) > CHARTS_TOGETHER:
            headings = [(CHARTS, [OVERALL, *first]), ("every block", list(blocks))]
        layout = _tensorboard().Layout()
        for title, shown in headings:
            category = layout.category.add(title=title, closed=title != CHARTS)
            for tag in shown:
                chart = category.chart.add(title="all blocks" if tag == OVERALL else tag)
                chart.multiline.tag.append(f"^{re.escape(f'{MAIN}/{tag}')}$")
        metadata = _metadata("custom_scalars", "TENSOR")
        self._tensor("custom_scalars__config__", layout.SerializeToString(), metadata)

    def record(self, step: int) -> bytes:
        """Return everything added as one record of an event file."""
        return _record(step=step, summary=self._summary)

    def _tensor(self, tag: str, content: bytes | Array, metadata: Any) -> None:
        kind = np.object_ if isinstance(content, bytes) else None
        tensor = _tensorboard().make_tensor_proto(content, dtype=kind)
        self._summary.value.add(tag=tag, tensor=tensor, metadata=metadata)


def new_file(folder: str) -> str:
    """Make an event file without events in a folder, which is made if need be; return its path.

    Raises:
        OSError: The folder or file cannot be made or written.
    """
    host = re.sub(r"[^\w.-]", "_", socket.gethostname())
    # TensorBoard knows an event file by how its name begins.
    name = f"events.out.tfevents.{int(time.time())}.{host}.{os.getpid()}.gradhook"
    path = claim(folder, name)
    append(path, _record(file_version="brain.Event:2"))
    return path


def _record(**fields: Any) -> bytes:
    event = _tensorboard().Event(wall_time=time.time(), **fields)
    buffer = io.BytesIO()
    _tensorboard().RecordWriter(buffer).write(event.SerializeToString())
    return buffer.getvalue()


def _metadata(plugin: str, data_class: str, title: str = "", description: str = "") -> Any:
    """Return what tells TensorBoard the page on which a value belongs.

    Without the data class, TensorBoard's faster reader drops the description of a ``simple_value``.
    """
    metadata = _tensorboard().SummaryMetadata
    return metadata(
        plugin_data=metadata.PluginData(plugin_name=plugin),
        data_class=f"DATA_CLASS_{data_class}",
        display_name=title,
        summary_description=description,
    )


@functools.cache
def _tensorboard() -> types.SimpleNamespace:
    """Load the message classes, once.

    Generated message classes warn on some pairs of Python and protobuf when they are loaded; a
    training run with warnings as errors must not lose its sink to that.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
        from tensorboard.summary.writer.record_writer import RecordWriter
        from tensorboard.util.tensor_util import make_tensor_proto
    return types.SimpleNamespace(
        Event=Event,
        Layout=Layout,
        RecordWriter=RecordWriter,
        Summary=Summary,
        SummaryMetadata=SummaryMetadata,
        make_tensor_proto=make_tensor_proto,
    )
