"""TensorBoard's own reader of event files, and its messages."""

import warnings

with warnings.catch_warnings():
    # The message classes warn on some pairs of Python and protobuf when they are loaded.
    warnings.simplefilter("ignore")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
    from tensorboard.util import tensor_util

__all__ = ["Event", "Layout", "RawEventFileLoader", "curve", "read", "tensor_util"]


def read(folder):
    """Return an accumulator of all that the event files of a run hold."""
    return EventAccumulator(str(folder)).Reload()


def curve(folder, tag):
    """Return the points of a scalar."""
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]
