"""One thing that can change, as it was: it can tell whether it did, and put itself back.

Every kind of thing has a class of its own (in ``_bytes``, ``_streams``, ``_state``, ``_names``);
what finds them (``_walk``) and what decides when to put them back (``_guard``) know only this one.
"""

from __future__ import annotations

import abc

__all__ = ["Saved"]


class Saved(abc.ABC):
    """One thing that can change, as it was."""

    __slots__ = ()

    @property
    def nbytes(self) -> int:
        """Bytes that a comparison reads, where they are many; else 0."""
        return 0

    @property
    def is_generator(self) -> bool:
        """Whether it is a source of random numbers."""
        return False

    @abc.abstractmethod
    def changed(self) -> bool:
        """Whether it differs from what was saved, to the bit."""

    @abc.abstractmethod
    def restore(self) -> None:
        """Put it back; may be called any number of times."""

    @abc.abstractmethod
    def describe(self) -> str:
        """Return what it is, for an error message."""
