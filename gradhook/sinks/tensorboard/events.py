"""TensorBoard's file format, as far as it is needed: scalars, text, pictures, charts.

Event files hold length-prefixed, checksummed ``Event`` messages.  One report becomes one message,
so a reader sees it whole or not at all.  They are built from the ``tensorboard`` package's own
message classes and ``RecordWriter``, neither of which touches TensorFlow.  ``EventFileWriter`` is
avoided: it writes in a thread of its own, whose errors surface in the training loop, which loses
events of a killed process and hangs after a fork.

Scalars are written as ``simple_value``, the form that every reader of event files understands.
"""

from __future__ import annotations

import functools
import io
import os
import re
import socket
import struct
import time
import types
import warnings
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.sinks.files import append, claim, create_file
from gradhook.sinks.tensorboard.layout import OVERALL, Heading
from gradhook.sinks.tensorboard.scalars import FLOOR, MAIN

__all__ = ["Summary", "new_file"]

BINS = 36
"""Histogram bins: half decades from ``FLOOR`` to ``CEILING``, the same for all, so they compare."""

CEILING = 1.0
"""Logarithm of the upper edge; a relative error is at most 2."""


class Summary:
    """The values of one report, gathered and then turned into one record."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def scalar(self, tag: str, value: float, *, title: str = "", description: str = "") -> None:
        """Add a number; title and description (Markdown) are shown with the curve, once given."""
        metadata = _metadata("scalars", "SCALAR", title, description) if title else None
        self._values.append(_tensorboard().Value(tag=tag, simple_value=value, metadata=metadata))

    def text(self, tag: str, markdown: str) -> None:
        """Add a text."""
        tensor = _string(markdown.encode())
        self._values.append(
            _tensorboard().Value(tag=tag, tensor=tensor, metadata=_metadata("text", "TENSOR"))
        )

    def log_histogram(
        self, tag: str, relative_errors: Array, *, title: str = "", description: str = ""
    ) -> None:
        """Add a histogram of the decimal logarithms of relative errors, NaN left out."""
        tb = _tensorboard()
        errors = np.asarray(relative_errors, dtype=np.float64).ravel()
        errors = np.clip(errors[~np.isnan(errors)], 10.0**FLOOR, 10.0**CEILING)
        counts, edges = np.histogram(np.log10(errors), bins=BINS, range=(FLOOR, CEILING))
        table = np.stack([edges[:-1], edges[1:], counts], axis=1)
        tensor = tb.Tensor(
            dtype=tb.DT_DOUBLE,
            tensor_shape=tb.Shape(dim=[tb.Shape.Dim(size=size) for size in table.shape]),
            tensor_content=table.astype("<f8").tobytes(),
        )
        metadata = _metadata("histograms", "TENSOR", title, description)
        self._values.append(tb.Value(tag=tag, tensor=tensor, metadata=metadata))

    def image(self, tag: str, png: bytes, *, title: str = "", description: str = "") -> None:
        """Add a picture; title and description (Markdown) are shown with it, once given."""
        tb = _tensorboard()
        width, height = struct.unpack(">II", png[16:24])
        picture = tb.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
        metadata = _metadata("images", "BLOB_SEQUENCE", title, description)
        self._values.append(tb.Value(tag=tag, image=picture, metadata=metadata))

    def custom_charts(self, headings: list[Heading]) -> None:
        """Lay out the custom charts: per tag, the curves and limits of all runs."""
        tb = _tensorboard()
        layout = tb.layout.Layout(
            category=[
                tb.layout.Category(
                    title=heading.title,
                    closed=heading.closed,
                    chart=[_chart(tag) for tag in heading.tags],
                )
                for heading in headings
            ]
        )
        self._values.append(
            tb.Value(
                tag="custom_scalars__config__",
                tensor=_string(layout.SerializeToString()),
                metadata=_metadata("custom_scalars", "TENSOR"),
            )
        )

    def record(self, step: int) -> bytes:
        """Return everything added as one record of an event file."""
        tb = _tensorboard()
        return _record(
            tb.Event(wall_time=time.time(), step=step, summary=tb.Summary(value=self._values))
        )


def new_file(folder: str) -> str:
    """Make an event file without events in a folder, which is made if need be; return its path.

    Raises:
        OSError: The folder or file cannot be made or written.
    """
    host = re.sub(r"[^\w.-]", "_", socket.gethostname())
    # TensorBoard knows an event file by how its name begins.
    name = f"events.out.tfevents.{int(time.time())}.{host}.{os.getpid()}.gradhook"
    path = claim(folder, name, "", create_file)
    append(path, _record(_tensorboard().Event(wall_time=time.time(), file_version="brain.Event:2")))
    return path


def _chart(tag: str) -> Any:
    layout = _tensorboard().layout
    lines = layout.MultilineChartContent(tag=[f"^{re.escape(f'{MAIN}/{tag}')}$"])
    return layout.Chart(title="all blocks" if tag == OVERALL else tag, multiline=lines)


def _record(event: Any) -> bytes:
    buffer = io.BytesIO()
    _tensorboard().RecordWriter(buffer).write(event.SerializeToString())
    return buffer.getvalue()


def _metadata(plugin: str, data_class: str, title: str = "", description: str = "") -> Any:
    """Return what tells TensorBoard the page on which a value belongs.

    Without the data class, TensorBoard's faster reader drops the description of a ``simple_value``.
    """
    metadata = _tensorboard().Metadata
    return metadata(
        plugin_data=metadata.PluginData(plugin_name=plugin),
        data_class=f"DATA_CLASS_{data_class}",
        display_name=title,
        summary_description=description,
    )


def _string(content: bytes) -> Any:
    """Return a tensor of no axes that holds one string."""
    tb = _tensorboard()
    return tb.Tensor(dtype=tb.DT_STRING, tensor_shape=tb.Shape(), string_val=[content])


@functools.cache
def _tensorboard() -> types.SimpleNamespace:
    """Load the message classes, once.

    Generated message classes warn on some pairs of Python and protobuf when they are loaded; a
    training run with warnings as errors must not lose its sink to that.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.plugins.custom_scalar import layout_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter
    return types.SimpleNamespace(
        DT_DOUBLE=types_pb2.DT_DOUBLE,
        DT_STRING=types_pb2.DT_STRING,
        Event=event_pb2.Event,
        Image=summary_pb2.Summary.Image,
        Metadata=summary_pb2.SummaryMetadata,
        RecordWriter=RecordWriter,
        Shape=TensorShapeProto,
        Summary=summary_pb2.Summary,
        Tensor=tensor_pb2.TensorProto,
        Value=summary_pb2.Summary.Value,
        layout=layout_pb2,
    )
