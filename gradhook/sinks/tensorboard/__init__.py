"""Reports for TensorBoard, written with its record writer and protos alone."""

from gradhook.sinks.tensorboard.event_file import EventFile
from gradhook.sinks.tensorboard.sink import TensorBoard

__all__ = ["EventFile", "TensorBoard"]
