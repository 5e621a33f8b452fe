"""Files that a killed process, a fork or a second process cannot spoil.

Nothing is held open between two writes.  Each write opens the file, appends everything with one
``write`` to a descriptor in append mode, and closes it: what was written is with the operating
system when ``append`` returns (it survives SIGKILL, though not a power cut), and two processes that
write to one file do not interleave.  A file that was deleted meanwhile is noticed at the next
write, not written to in vain.

New files and folders are created exclusively, so that no run overwrites another, and with the
permissions that the user's umask gives.
"""

from __future__ import annotations

import itertools
import os
import time

from gradhook.errors import OptionError

__all__ = ["append", "as_path", "claim", "run_stamp"]


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

    Args:
        parent: Folder.
        name: Name without suffix; where it is taken, ``-2``, ``-3``, … follow it.
        suffix: What the name ends with.
        folder: Whether to make a folder.
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
    """Append ``data`` to a file in one piece.

    Args:
        path: The file.
        data: What to append.
        create: Whether to create the file where it does not exist.

    Raises:
        OSError: The file cannot be written (``FileNotFoundError`` where it is gone and ``create``
        is false).
    """

    def existing(path: str, flags: int) -> int:
        return os.open(path, flags & ~os.O_CREAT)

    with open(path, "ab", opener=None if create else existing) as file:
        file.write(data)
