"""Where reports go: TensorBoard, trackers, JSON lines, screen, log, a list; and a progress bar.

A sink gets each finished ``Report``; anything with ``write(report)`` and ``close()`` is one.  Each
sink is loaded when it is first named, and TensorBoard and tqdm when theirs is first used, so that
importing this package costs next to nothing.  ``EventFile`` takes your own curves to TensorBoard.

Example:
    >>> from gradhook import sinks
    >>> isinstance(sinks.Memory(), sinks.Sink)
    True
"""

import importlib
from typing import TYPE_CHECKING, Any

from gradhook.sinks.base import Sink

if TYPE_CHECKING:
    from gradhook.sinks.json_lines import JsonLines
    from gradhook.sinks.logging import Logging
    from gradhook.sinks.memory import Memory
    from gradhook.sinks.metrics import Metrics
    from gradhook.sinks.progress import Progress
    from gradhook.sinks.tensorboard import EventFile, TensorBoard
    from gradhook.sinks.terminal import Terminal

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

_MODULES = {
    "EventFile": "tensorboard",
    "JsonLines": "json_lines",
    "Logging": "logging",
    "Memory": "memory",
    "Metrics": "metrics",
    "Progress": "progress",
    "TensorBoard": "tensorboard",
    "Terminal": "terminal",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
