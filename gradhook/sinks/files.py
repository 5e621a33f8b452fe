"""Files that a killed process, a fork or a second process cannot spoil, and reports in one.

Nothing is held open between two writes.  Each write opens the file, appends everything with one
``write`` to a descriptor in append mode, and closes it: what was written is with the operating
system when ``append`` returns (it survives SIGKILL, though not a power cut), and two processes that
write to one file do not interleave.  A file that was deleted meanwhile is noticed at the next
write, not written to in vain.

``JsonLines`` writes a report as one line, as ``Report.to_json`` gives it.

New files and folders are created exclusively, so that no run overwrites another, and with the
permissions that the user's umask gives.
"""

from __future__ import annotations

import itertools
import os
import time

from gradhook.errors import OptionError
from gradhook.report import Report

__all__ = ["JsonLines", "append", "as_path", "claim", "run_stamp"]


class JsonLines:
    """Append each report to a file as one line of JSON.

    Args:
        path: The file; made with its parent folders at the first report, and added to where it
            exists.  Where ``path`` is an existing folder, or ends with a separator, a fresh file
            ``gradcheck 11-29 20.46.07.jsonl`` is made inside.  A relative path counts from the
            working directory at construction.

    Attributes:
        file: Path of the file written to, ``None`` before the first report.

    Raises:
        OptionError: ``path`` is no path, or is empty.

    Example:
        >>> import json, pathlib, tempfile
        >>> from gradhook import Report, Verdict
        >>> from gradhook.sinks import JsonLines
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "runs", "checks.jsonl")
        ...     sink = JsonLines(path)
        ...     sink.write(Report(Verdict.PASS, True, {}, step=100))
        ...     sink.write(Report(Verdict.FAIL, False, {}, step=1000))
        ...     [json.loads(line)["verdict"] for line in path.read_text().splitlines()]
        ['PASS', 'FAIL']
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = as_path(path, "path")
        separators = tuple(filter(None, (os.sep, os.altsep)))
        self._is_folder = os.fsdecode(path).endswith(separators)
        self.file: str | None = None

    def write(self, report: Report) -> None:
        """Append one line.

        Raises:
            OSError: The file cannot be made or written.
        """
        line = report.to_json().encode() + b"\n"
        if self.file is None:
            if self._is_folder or os.path.isdir(self._path):
                self.file = claim(self._path, run_stamp(), ".jsonl")
            else:
                os.makedirs(os.path.dirname(self._path), exist_ok=True)
                self.file = self._path
        append(self.file, line, create=True)

    def close(self) -> None:
        """Do nothing: no file is held open between two reports."""


def as_path(value: object, option: str) -> str:
    """Return a path given by the user as an absolute string without a separator at its end.

    Absolute, so that a later ``chdir`` does not move it.

    Raises:
        OptionError: ``value`` is no path, or is empty.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise OptionError(f"{option} must be a path, got {value!r}")
    path = os.fsdecode(value)
    if not path or "\0" in path:
        raise OptionError(f"{option} must be the path of a file or folder, got {path!r}")
    return os.path.abspath(path)


def run_stamp() -> str:
    """Return ``gradcheck 11-29 20.46.07``: month, day and local time, short enough for a legend."""
    return time.strftime("gradcheck %m-%d %H.%M.%S")


def claim(parent: str, name: str, suffix: str = "", *, folder: bool = False) -> str:
    """Create a new file or folder in ``parent`` (made if need be) and return its path.

    Where the name is taken, ``-2``, ``-3``, … stand between it and the suffix.
    """
    os.makedirs(parent, exist_ok=True)
    for count in itertools.count(1):
        path = os.path.join(parent, f"{name}{f'-{count}' if count > 1 else ''}{suffix}")
        try:
            if folder:
                os.mkdir(path)
            else:
                open(path, "xb").close()
        except FileExistsError:
            continue
        return path
    raise AssertionError("unreachable")


def append(path: str, data: bytes, *, create: bool = False) -> None:
    """Append to a file in one piece; one that is gone is an error unless it may be created."""

    def existing(path: str, flags: int) -> int:
        return os.open(path, flags & ~os.O_CREAT)

    with open(path, "ab", opener=None if create else existing) as file:
        file.write(data)
