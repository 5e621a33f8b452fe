"""Where reports go: TensorBoard, trackers, JSON lines, screen, log, a list; and a progress bar.

A sink gets each finished ``Report``; anything with ``write(report)`` and ``close()`` is one.
TensorBoard and tqdm are loaded when their sink is first used, so that importing this package costs
next to nothing.  ``EventFile`` takes your own curves to TensorBoard.

Example:
    >>> from gradhook import sinks
    >>> isinstance(sinks.Memory(), sinks.Sink)
    True
"""

from gradhook.sinks.base import Logging, Memory, Progress, Sink, Terminal
from gradhook.sinks.files import JsonLines
from gradhook.sinks.metrics import Metrics
from gradhook.sinks.tensorboard import EventFile, TensorBoard

__all__ = [
    "EventFile",
    "JsonLines",
    "Logging",
    "Memory",
    "Metrics",
    "Progress",
    "Sink",
    "TensorBoard",
    "Terminal",
]
