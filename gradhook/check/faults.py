"""gradhook's own faults, told from the user's exceptions and from refusals.

A fault of the checker's must not look like one of the code that is checked, nor stop the training
that is observed: the callback turns an ``InternalError`` into a report that decides nothing.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator

from gradhook.check.generic_point import FlatError, UnreadError, UnusableRowsError
from gradhook.errors import PACKAGE, GradCheckWarning, GradhookError, InternalError
from gradhook.guard.reach import is_library

__all__ = ["is_users", "own_faults"]


@contextlib.contextmanager
def own_faults(but: Callable[[Exception], bool] = lambda error: False) -> Iterator[None]:
    """Turn exceptions into an ``InternalError``, but for the user's and those that say why."""
    try:
        yield
    except (GradhookError, GradCheckWarning, UnreadError, FlatError, UnusableRowsError):
        raise  # a warning is raised where the user's filters say so
    except Exception as error:
        if but(error):
            raise
        raise InternalError(f"gradhook itself failed: {type(error).__name__}: {error}") from error


def is_users(error: Exception) -> bool:
    """Whether an exception comes from code that is neither gradhook's nor a library's.

    Going by the calls that gradhook made: what lies further out is the user's in any case.
    """
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [index for index, file in enumerate(files) if file.startswith(PACKAGE)]
    inner = files[own[0] :] if own else files
    return any(not (file.startswith(PACKAGE) or is_library(file)) for file in inner)
