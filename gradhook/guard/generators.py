"""Random generators, saved with everything that their next numbers depend on.

A stream is more than the state of its bits: ``RandomState`` keeps the second half of a pair of
normal numbers, and ``spawn`` counts children in the seed sequence, which is saved by itself.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from gradhook.guard.objects import Kind, Saved, same_bytes

__all__ = ["GENERATORS", "global_streams", "save_generator", "seeds_of"]

GENERATORS = (
    *(np.random.Generator, np.random.BitGenerator, np.random.RandomState, random.Random),
    np.random.SeedSequence,
)


def global_streams() -> list[Saved]:
    """Save the process's own streams, ``numpy.random`` and ``random``."""
    return [Saved(np.random, STATES), Saved(random, PYTHONS)]


def save_generator(thing: Any) -> Saved | None:
    """Save a generator of NumPy or Python; ``None`` if it has no state (``SystemRandom``)."""
    if isinstance(thing, (np.random.Generator, np.random.BitGenerator)):
        return Saved(thing, BITS)
    if isinstance(thing, np.random.RandomState):
        return Saved(thing, STATES)
    if isinstance(thing, random.Random) and not isinstance(thing, random.SystemRandom):
        return Saved(thing, PYTHONS)
    return Saved(thing, CHILDREN) if isinstance(thing, np.random.SeedSequence) else None


def seeds_of(thing: Any) -> Any:
    """The seed sequence whose children a generator spawns; ``None`` where it has none."""
    return getattr(_bits(thing), "seed_seq", None)


def _described(thing: Any, _: Any) -> str:
    if thing is random:
        return "Python's global random stream"
    if thing is np.random:
        return "NumPy's global random stream"
    return f"the random generator {type(thing).__name__}"


def _bits(thing: Any) -> Any:
    return thing.bit_generator if isinstance(thing, np.random.Generator) else thing


def _set_children(seeds: Any, children: int) -> None:
    """Set how many children a seed sequence has spawned, as nothing but unpickling can."""
    entropy, _, *rest = seeds.__reduce__()[2]
    seeds.__setstate__((entropy, children, *rest))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and same_bytes(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


STATES = Kind(  # of a RandomState, or of the module that stands for the global one
    _described,
    # The older form of the state exists for one bit generator only, and warns for others.
    lambda thing: thing.get_state(legacy=False),
    lambda thing, state: thing.set_state(state),
    _same,
    is_generator=True,
)

BITS = Kind(
    _described,
    lambda thing: _bits(thing).state,
    lambda thing, state: setattr(_bits(thing), "state", state),
    _same,
    is_generator=True,
)

PYTHONS = Kind(  # 625 plain numbers, for which equality will do
    _described,
    lambda thing: thing.getstate(),
    lambda thing, state: thing.setstate(state),
    is_generator=True,
)

CHILDREN = Kind(  # of a seed sequence, whose entropy stays what it is
    _described, lambda thing: thing.n_children_spawned, _set_children, is_generator=True
)
