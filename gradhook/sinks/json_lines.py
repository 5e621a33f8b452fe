"""Reports as lines of JSON in a file, to be read by other programs.

One line is one report, as ``Report.to_json`` writes it; ``Report.from_dict(json.loads(line))``
reads it back.  Each line is appended by one write, so that several processes may share a file and a
killed one leaves no half line.
"""

from __future__ import annotations

import os

from gradhook.report import Report
from gradhook.sinks.files import append, as_path, claim, run_stamp

__all__ = ["JsonLines"]


class JsonLines:
    """Append each report to a file as one line of JSON.

    Args:
        path: The file; made with its parent folders at the first report, and added to where it
            exists.  Where ``path`` is an existing folder, or ends with a separator, a fresh file
            ``gradcheck 11-29 20.46.07.jsonl`` is made inside.  A relative path counts from the
            working directory at construction.

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
        self._file: str | None = None

    @property
    def file(self) -> str | None:
        """Path of the file written to, ``None`` before the first report."""
        return self._file

    def write(self, report: Report) -> None:
        """Append one line.

        Raises:
            OSError: The file cannot be made or written.
        """
        line = report.to_json().encode() + b"\n"
        if self._file is None:
            if self._is_folder or os.path.isdir(self._path):
                self._file = claim(self._path, run_stamp(), ".jsonl")
            else:
                os.makedirs(os.path.dirname(self._path), exist_ok=True)
                self._file = self._path
        append(self._file, line, create=True)

    def close(self) -> None:
        """Do nothing: no file is held open between two reports."""
